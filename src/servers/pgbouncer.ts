/** PgBouncer in transaction mode, the one that breaks session locks and LISTEN, in front of a PostgreSQL. */
import { HOST } from './kind.ts'
import type { ServerKind } from './kind.ts'
import { answersAsPostgres, POSTGRES } from './postgres.ts'

/** In front of the PostgreSQL on `postgres`, a port of the loopback. */
export function pgbouncerOf(postgres: number): ServerKind {
  return {
    name: 'pgbouncer',
    programs: { pgbouncer: 'pgbouncer' },
    files: ({ port }) => ({ 'pgbouncer.ini': settings(port, postgres), 'users.txt': '"test" ""\n' }),
    command: () => ['pgbouncer', 'pgbouncer.ini'],
    answers: answersAsPostgres,
    address: POSTGRES.address,
    stopSignal: 'SIGINT',
  }
}

function settings(port: number, postgres: number): string {
  return `[databases]
test = host=${HOST} port=${postgres}
[pgbouncer]
listen_addr = ${HOST}
listen_port = ${port}
unix_socket_dir =
pool_mode = transaction
auth_type = trust
auth_file = users.txt
server_login_retry = 1
max_client_conn = 500
default_pool_size = 20
`
}
