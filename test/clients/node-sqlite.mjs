// For a Node that has node:sqlite: runs the example that it is given, once in time and once too late.
import { DatabaseSync } from 'node:sqlite'
import { fence, fromNodeSqlite, schema } from '../../dist/sql/index.js'

const [, , code] = process.argv
const database = new DatabaseSync(':memory:')
database.exec(`${schema('sqlite')} CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)`)
database.exec('INSERT INTO account VALUES (7, 100)')

const body = code.replaceAll(/^import .*$/gm, '')
const source = `export default async ({ locks, database, fence, fromNodeSqlite }) => { ${body} }`
const { default: example } = await import(`data:text/javascript,${encodeURIComponent(source)}`)
const withToken = token => {
  const locks = { run: (key, task) => task({ key, token }) }
  return example({ locks, database, fence, fromNodeSqlite })
}
const balance = () => database.prepare('SELECT balance FROM account').get().balance

await withToken(5)
const before = balance()
const refused = await withToken(4).catch(error => error.name)
console.log(before, refused, balance())
