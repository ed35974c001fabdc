/** holdfast/sql on SQLite. */
import { sqlite } from './databases.ts'
import { describeFence } from './fencing.ts'

describeFence('SQLite', sqlite)
