# shellcheck shell=bash
# MongoDB, where somebody has put a mongod: MONGOD_BINARY, or one on the PATH. Neither Debian nor npm has one.
# It is one server and no replica set: no change streams, no transactions. Not run so far.

define mongodb mongodb 151

mongodb_missing() { [ -n "$(mongodb_program)" ] || echo "no mongod here, set MONGOD_BINARY to one"; }
mongodb_program() { command -v "${MONGOD_BINARY:-mongod}"; }
mongodb_packages() { :; }
mongodb_command() { COMMAND=("$(mongodb_program)" --dbpath data --bind_ip 127.0.0.1 --port "$(port "$1")" --nounixsocket --quiet); }
mongodb_ready() { (exec 3<>"/dev/tcp/127.0.0.1/$(port "$1")"); }
mongodb_url() { echo "mongodb://127.0.0.1:$(port "$1")/test"; }
