/** holdfast/sql on SQLite. */
import { sqlite } from './databases.ts'
import { describeFence } from './fencing.ts'
import { describeRows } from './rows.ts'

describeFence('SQLite', sqlite)
describeRows('SQLite', sqlite)
