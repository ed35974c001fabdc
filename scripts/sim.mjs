// The simulation from the command line: compiles it, with the sources as they are, and runs it.
//
//   npm run sim                       2,000 seeds
//   npm run sim -- --seeds 20000      more
//   npm run sim -- --from 5001        other ones
//   npm run sim -- --seed 4711        one again, with its trace (--lines 200: its last so many lines)
//   npm run sim -- --keep-going       does not stop at the first that fails
import { runCompiled } from './compiled.mjs'

process.exitCode = await runCompiled('sim')
