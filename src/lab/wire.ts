/**
 * What may go between an experiment and its worker processes. It is read field by field where it comes in
 * (base/decode.ts).
 */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

export type Message = { readonly [name: string]: Json }
