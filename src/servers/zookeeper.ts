/** ZooKeeper, alone or as a member of several. A member has two ports after its own for the others. */
import { ask } from './ask.ts'
import { HOST } from './kind.ts'
import type { Place, ServerKind } from './kind.ts'

const JAR = '/usr/share/java/zookeeper.jar'

export const ZOOKEEPER: ServerKind = {
  name: 'zookeeper',
  programs: { [JAR]: 'libzookeeper-java', java: 'openjdk-17-jre-headless' },
  files: ({ port }) => ({ 'zoo.cfg': settings(port, []), 'log4j.properties': LOGGING }),
  command: () => [
    ...['java', '-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'],
    // What was written outlives the process without waiting for the disk.
    ...['-Dzookeeper.forceSync=no', '-Dlog4j.configuration=file:log4j.properties', '-cp', JAR],
    ...['org.apache.zookeeper.server.quorum.QuorumPeerMain', 'zoo.cfg'],
  ],
  // A member without a majority answers too, but not this.
  answers: async ({ port }) => (await ask(port, { send: 'srvr', until: '\n' })).startsWith('Zookeeper'),
  address: ({ port }) => `zookeeper://${HOST}:${port}`,
}

/** One of several, which all know the ports of all. */
export function zookeeperMember(members: readonly number[]): ServerKind {
  return {
    ...ZOOKEEPER,
    ports: 3,
    files: ({ port }: Place) => ({
      'zoo.cfg': settings(port, members),
      'log4j.properties': LOGGING,
      'data/myid': `${members.indexOf(port) + 1}\n`,
    }),
  }
}

/** Ticks of 0.5 s allow sessions of 1 s; and some tests take locks for an hour. */
function settings(port: number, members: readonly number[]): string {
  const servers = members.map((member, index) => `server.${index + 1}=${HOST}:${member + 1}:${member + 2}\n`)
  return `tickTime=500
dataDir=data
clientPortAddress=${HOST}
clientPort=${port}
admin.enableServer=false
4lw.commands.whitelist=*
maxClientCnxns=0
minSessionTimeout=1000
maxSessionTimeout=7200000
initLimit=20
syncLimit=10
${servers.join('')}`
}

const LOGGING = `log4j.rootLogger=WARN, C
log4j.appender.C=org.apache.log4j.ConsoleAppender
log4j.appender.C.layout=org.apache.log4j.PatternLayout
log4j.appender.C.layout.ConversionPattern=%d %p %m%n
`
