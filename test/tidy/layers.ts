/**
 * Which part of the library may know which. The table is the architecture; whoever changes it changes that, and
 * docs/architecture.md with it.
 */

/** Layer -> what it may import besides itself. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  store: ['base'],
  journal: ['base'],
  report: ['base', 'journal'],
  core: ['base', 'store'],
  locks: ['base', 'store', 'core', 'journal'],
  drivers: ['base', 'store'],
  open: ['base', 'store', 'core', 'locks', 'drivers, lazily'],
  index: ['base', 'store', 'core', 'locks', 'open'],
  testing: ['base', 'store', 'core', 'locks', 'drivers'],
  conformance: ['base', 'store', 'core', 'locks', 'drivers', 'index'],
  sql: ['base', 'store', 'core'],
  server: ['base', 'store'],
  servers: ['base'],
  lab: ['base', 'servers', 'store', 'core', 'locks', 'journal', 'report', 'drivers', 'open', 'index', 'sql'],
  cli: ['base', 'store', 'core', 'locks', 'journal', 'report', 'drivers', 'open', 'index', 'sql'],
}
