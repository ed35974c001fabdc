# shellcheck shell=bash disable=SC2046
# etcd and ZooKeeper, one and three of each, and Consul. Each server has ports after its own for its like.

define etcd etcd 101 # and 102
define etcd3-1 etcd 103
define etcd3-2 etcd 105
define etcd3-3 etcd 107
define zookeeper zookeeper 121
define zookeeper3-1 zookeeper 123 # and 124, 125
define zookeeper3-2 zookeeper 126
define zookeeper3-3 zookeeper 129
define consul consul 141 # and 142, 143

group etcd3 etcd3-1 etcd3-2 etcd3-3
group zookeeper3 zookeeper3-1 zookeeper3-2 zookeeper3-3

etcd_missing() { if ! command -v etcd; then echo "etcd is not installed"; elif ! command -v curl; then echo "curl is not installed"; fi | grep installed; }
etcd_packages() { echo etcd-server curl; }

etcd_command() {
  local port peer
  port=$(port "$1")
  peer=http://127.0.0.1:$((port + 1))
  COMMAND=(etcd --name "$1" --data-dir data --log-level warn --logger zap
    --listen-client-urls "http://127.0.0.1:$port" --advertise-client-urls "http://127.0.0.1:$port"
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "$(etcd_peers "$1")" --initial-cluster-token "holdfast-$BASE")
}
etcd_peers() {
  local name
  for name in $(expand "${GROUP_OF[$1]:-$1}"); do echo "$name=http://127.0.0.1:$(($(port "$name") + 1))"; done | paste -sd, -
}
etcd_ready() { curl --fail --silent --max-time 1 "http://127.0.0.1:$(port "$1")/health" | grep -q '"true"'; }
etcd_url() { echo "etcd://127.0.0.1:$(port "$1")"; }
address_of_etcd3() { echo "etcd://$(addresses etcd3)"; }

ZOOKEEPER_JAR=/usr/share/java/zookeeper.jar
zookeeper_missing() {
  [ -e $ZOOKEEPER_JAR ] || { echo "ZooKeeper is not installed"; return; }
  command -v java >/dev/null || echo "java is not installed"
}
zookeeper_packages() {
  echo libzookeeper-java
  command -v java >/dev/null || echo openjdk-17-jre-headless
}

# Ticks of 0.5 s allow sessions of 1 s.
zookeeper_prepare() {
  local name
  printf '%s\n' tickTime=500 dataDir=data "clientPortAddress=$(listen_address "$1")" "clientPort=$(port "$1")" admin.enableServer=false \
    '4lw.commands.whitelist=*' maxClientCnxns=0 minSessionTimeout=1000 maxSessionTimeout=60000 >zoo.cfg
  printf '%s\n' 'log4j.rootLogger=WARN, C' log4j.appender.C=org.apache.log4j.ConsoleAppender \
    log4j.appender.C.layout=org.apache.log4j.PatternLayout 'log4j.appender.C.layout.ConversionPattern=%d %p %m%n' >log4j.properties
  [ -n "${GROUP_OF[$1]:-}" ] || return 0
  printf '%s\n' initLimit=20 syncLimit=10 >>zoo.cfg
  for name in $(expand "${GROUP_OF[$1]}"); do
    echo "server.${name##*-}=127.0.0.1:$(($(port "$name") + 1)):$(($(port "$name") + 2))" >>zoo.cfg
  done
  echo "${1##*-}" >data/myid
}
zookeeper_command() {
  COMMAND=(java -Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dlog4j.configuration=file:log4j.properties
    -cp $ZOOKEEPER_JAR org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg)
}
# A member without a majority answers too, but not this.
zookeeper_ready() { ask "$(port "$1")" srvr Zookeeper; }
zookeeper_url() { echo "zookeeper://127.0.0.1:$(port "$1")"; }
address_of_zookeeper3() { echo "zookeeper://$(addresses zookeeper3)"; }

# Debian dropped Consul after bullseye.
consul_missing() { [ -n "$(consul_program)" ] || echo "consul is not installed"; }
consul_program() { command -v consul || command -v "$TOOLS/consul/usr/bin/consul"; }
consul_packages() { command -v curl >/dev/null || echo curl; }
consul_fetch() { fetch_from_suite bullseye consul alone consul; }
# One server that elects itself quickly. Sessions as short as 1 s are let in, where Consul's own least is 10 s.
consul_command() {
  local port
  port=$(port "$1")
  COMMAND=("$(consul_program)" agent -server -bootstrap-expect=1 -data-dir=data -node=test -disable-host-node-id -bind=127.0.0.1 -client=127.0.0.1
    "-http-port=$port" "-server-port=$((port + 1))" "-serf-lan-port=$((port + 2))" -serf-wan-port=-1 -dns-port=-1 -grpc-port=-1 -log-level=warn
    -hcl 'disable_update_check=true session_ttl_min="1s" leave_on_terminate=false performance{raft_multiplier=1}')
}
consul_ready() { curl --fail --silent --max-time 1 "http://127.0.0.1:$(port "$1")/v1/status/leader" | grep -q :; }
consul_url() { echo "consul://127.0.0.1:$(port "$1")"; }
