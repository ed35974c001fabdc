# shellcheck shell=bash disable=SC2046
# Redis and Valkey: alone, five for Redlock, primary with replica, a cluster, Sentinel, with a password, with TLS.
#
# Nothing is written to disk, so a killed server comes back empty, as a cache does. Only `redis-aof` and the nodes of `redlock`
# keep all that they confirmed: a redlock gives no vote to a node that may have forgotten, so new ones would refuse for a minute.

STORE_PASSWORD=holdfast

define redis redis 1
define redis-aof redis 2
define redis-password redis 3
define redis-tls redis 4
define redlock1 redis 11
define redlock2 redis 12
define redlock3 redis 13
define redlock4 redis 14
define redlock5 redis 15
define primary redis 21
define replica redis 22
define cluster1 redis 31 # the bus between them is on 34 to 36
define cluster2 redis 32
define cluster3 redis 33
define sentinel-primary redis 41
define sentinel-replica redis 42
define sentinel1 watcher 43
define sentinel2 watcher 44
define sentinel3 watcher 45
define valkey redis 51

group redlock redlock1 redlock2 redlock3 redlock4 redlock5
group pair primary replica
group cluster cluster1 cluster2 cluster3
group sentinel sentinel-primary sentinel-replica sentinel1 sentinel2 sentinel3

redis_missing() {
  local program
  for program in "$(redis_program "$1")" redis-cli; do
    command -v "$program" >/dev/null || { echo "${program##*/} is not installed"; return; }
  done
  [ "$1" != redis-tls ] || command -v openssl >/dev/null || echo "openssl is not installed"
}

redis_program() {
  if [ "$1" = valkey ]; then command -v valkey-server || echo "$TOOLS/valkey/usr/bin/valkey-server"; else echo redis-server; fi
}

redis_packages() {
  case $1 in
    valkey) echo redis-tools libjemalloc2 liblzf1 ;; # the libraries that the unpacked server is linked to
    redis-tls) echo redis-server openssl ;;
    *) echo redis-server ;;
  esac
}

# The server is a link to a program of the tools.
redis_fetch() { [ "$1" != valkey ] || fetch_from_suite "$(debian_codename)-backports" valkey alone valkey-server valkey-tools; }

redis_prepare() {
  case $1 in
    # Sentinel changes this file at a failover, and a server started again must keep the part it was given.
    sentinel-*) [ -e redis.conf ] || redis_options "$1" >redis.conf ;;
    *) redis_options "$1" >redis.conf ;;
  esac
  own redis.conf
  [ "$1" != redis-tls ] || [ -e tls/server.crt ] || make_certificates
}

redis_command() { COMMAND=("$(redis_program "$1")" redis.conf); }

redis_options() {
  local port
  port=$(port "$1")
  printf '%s\n' "port $port" "bind $(listen_address "$1")" 'protected-mode no' 'dir data' 'save ""' 'repl-diskless-sync-delay 0'
    case $1 in
    redis-aof | redlock*) printf '%s\n' 'appendonly yes' 'appendfsync always' ;;
    redis-password) echo "requirepass $STORE_PASSWORD" ;;
    redis-tls) # files are looked up from `dir`
      printf '%s\n' 'port 0' "tls-port $port" 'tls-auth-clients no' "requirepass $STORE_PASSWORD" \
        'tls-ca-cert-file ../tls/ca.crt' 'tls-cert-file ../tls/server.crt' 'tls-key-file ../tls/server.key'
      ;;
    replica) echo "replicaof 127.0.0.1 $(port primary)" ;;
    sentinel-replica) echo "replicaof 127.0.0.1 $(port sentinel-primary)" ;;
    cluster*) printf '%s\n' 'cluster-enabled yes' 'cluster-node-timeout 2000' "cluster-port $((port + 3))" ;;
  esac
}

# An authority of our own, and a server that it vouches for.
make_certificates() {
  local new=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  mkdir -p tls
  {
    openssl req -x509 "${new[@]}" -days 3650 -subj '/CN=holdfast test authority' -keyout tls/ca.key -out tls/ca.crt
    openssl req "${new[@]}" -subj /CN=localhost -keyout tls/server.key -out tls/server.csr
    openssl x509 -req -days 3650 -in tls/server.csr -CA tls/ca.crt -CAkey tls/ca.key -CAcreateserial -out tls/server.crt \
      -extfile <(echo 'subjectAltName=IP:127.0.0.1,DNS:localhost')
  } 2>>log
  own tls/server.key
}

redis_cli() { # NAME ARGUMENT...
  local options=(-p "$(port "$1")")
  case $1 in
    redis-tls) options+=(--tls --cacert "$ROOT/redis-tls/tls/ca.crt" -a "$STORE_PASSWORD" --no-auth-warning) ;;
    redis-password) options+=(-a "$STORE_PASSWORD" --no-auth-warning) ;;
  esac
  if in_docker "$1"; then compose exec -T "$1" redis-cli "${options[@]}" "${@:2}"; else redis-cli "${options[@]}" "${@:2}"; fi
}

redis_ready() {
  case $1 in
    replica) redis_cli replica info replication | grep -q master_link_status:up ;;
    *) redis_cli "$1" ping | grep -qx PONG ;;
  esac
}

redis_url() {
  local scheme=redis login=
  case $1 in
    redis-tls) scheme=rediss login=:$STORE_PASSWORD@ ;;
    redis-password) login=:$STORE_PASSWORD@ ;;
    valkey) scheme=valkey ;;
  esac
  echo "$scheme://${login}127.0.0.1:$(port "$1")"
}

redis_more_env() { [ "$1" != redis-tls ] || echo "HOLDFAST_TEST_REDIS_TLS_CA=$ROOT/redis-tls/tls/ca.crt"; }

# A watcher is a Sentinel. It keeps what it learns in its configuration.
watcher_missing() { redis_missing "$1"; }
watcher_packages() { redis_packages "$1"; }
watcher_prepare() {
  [ -e sentinel.conf ] || printf '%s\n' "port $(port "$1")" "bind $(listen_address "$1")" 'protected-mode no' 'dir data' \
    "sentinel monitor mymaster 127.0.0.1 $(port sentinel-primary) 2" \
    'sentinel down-after-milliseconds mymaster 1000' \
    'sentinel failover-timeout mymaster 5000' >sentinel.conf
  own sentinel.conf
}
watcher_command() { COMMAND=(redis-server sentinel.conf --sentinel); }
watcher_ready() { redis_cli "$1" ping | grep -qx PONG; }
watcher_url() { redis_url "$1"; }

address_of_redlock() { echo "redlock://$(addresses redlock)"; }
address_of_cluster() { echo "redis+cluster://$(addresses cluster)"; }
address_of_sentinel() { echo "redis+sentinel://$(addresses sentinel1 sentinel2 sentinel3)/mymaster"; }

join_cluster() {
  local name
  if redis_cli cluster1 cluster info | grep -q '^cluster_known_nodes:1\b'; then
    redis_cli cluster1 --cluster create $(addresses cluster | tr , ' ') --cluster-yes >/dev/null || return 1
  fi
  for name in $(expand cluster); do within 20 cluster_whole "$name" || return 1; done
}
cluster_whole() { redis_cli "$1" cluster info | grep -q cluster_state:ok; }

join_sentinel() {
  local name
  for name in sentinel1 sentinel2 sentinel3; do within 30 failover_possible "$name" || return 1; done
}

# It knows a replica to promote, and others to agree with.
failover_possible() {
  redis_cli "$1" sentinel replicas mymaster | grep -q . && redis_cli "$1" sentinel ckquorum mymaster | grep -q '^OK 3'
}
