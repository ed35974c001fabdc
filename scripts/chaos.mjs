// Chaos on a store: stopped and killed processes, lost and late replies, aborts, revokes and close() at any moment.
// Prints what it did, and every belief that the store or another process contradicts. Exit 1: there was one.
//
//   npm run chaos                                              a minute on memory
//   npm run chaos -- --store sqlite: --minutes 10              a file of its own, gone afterwards
//   npm run chaos -- --store redis://127.0.0.1:6379            through a proxy that loses and holds back
//   npm run chaos -- --store mysql://user:password@host/db     the same, after holdfast migrate
//   npm run chaos -- --store redlock://h1:p1,h2:p2,h3:p3       through one for each node
//   npm run chaos -- --seed 4711                               the same choices again (--workers 6: so many processes)
//   npm run chaos -- --sabotage                                with leases that believe too long: must find them
import { runCompiled } from './compiled.mjs'

process.exitCode = await runCompiled('chaos')
