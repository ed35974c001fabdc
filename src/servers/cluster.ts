/** Nodes of Redis become one cluster. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ask } from './ask.ts'
import { HOST } from './kind.ts'

/** Makes a cluster of nodes that know of none; true once each of them sees it whole. */
export async function joinCluster(ports: readonly number[]): Promise<boolean> {
  const [first = 0] = ports
  const info = await tellOf(first)
  if (info.includes('cluster_known_nodes:1\r')) {
    const nodes = ports.map(port => `${HOST}:${port}`)
    await promisify(execFile)('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-yes'])
  }
  const all = await Promise.all(ports.map(tellOf))
  return all.every(text => text.includes('cluster_state:ok'))
}

function tellOf(port: number): Promise<string> {
  return ask(port, { send: 'CLUSTER INFO\r\n', until: 'cluster_size:' })
}
