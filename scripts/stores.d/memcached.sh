# shellcheck shell=bash
# memcached, which forgets everything when it ends.

define memcached memcached 81

memcached_missing() { command -v memcached >/dev/null || echo "memcached is not installed"; }
memcached_packages() { echo memcached; }
memcached_command() { COMMAND=(memcached --listen=127.0.0.1 "--port=$(port "$1")" --udp-port=0 --memory-limit=64); }
memcached_ready() { ask "$(port "$1")" 'version\r\n' VERSION; }
memcached_url() { echo "memcached://127.0.0.1:$(port "$1")"; }
