# shellcheck shell=bash
# Where a store's program is not to be had as a process, the service of the same name in compose.yaml takes its place.
#
# Checked against the schema of compose, never run: no machine with an engine was at hand.

COMPOSE_FILE=$HERE/../compose.yaml

# Succeeds if NAME can run here, one way or the other; else REASON tells why not.
can_run() {
  REASON=$(native_obstacle "$1")
  [ -n "$REASON" ] || return 0
  ! docker_usable || return 0
  return 1
}

runs_natively() { [ -z "$(native_obstacle "$1")" ]; }
native_obstacle() { if [ "$(uname)" = Linux ]; then "$(kind "$1")_missing" "$1"; else echo "it is started as a process on Linux only"; fi; }

docker_usable() {
  if [ -z "${DOCKER_USABLE:-}" ]; then
    DOCKER_USABLE=no
    ! { timeout 5 docker info && docker compose version; } >/dev/null 2>&1 || DOCKER_USABLE=yes
  fi
  [ $DOCKER_USABLE = yes ]
}

compose() {
  local name ports=("HOLDFAST_STORES_DIR=$ROOT")
  for name in "${STORES[@]}"; do ports+=("$(compose_port "$name")"); done
  env "${ports[@]}" docker compose --file "$COMPOSE_FILE" --project-name "holdfast-$BASE" --progress quiet "$@"
}
compose_port() { local name=${1^^}; echo "PORT_${name//-/_}=$(port "$1")"; }

in_docker() { [ -e "$ROOT/$1/docker" ]; }

docker_start() {
  mkdir -p "$ROOT/$1/data"
  touch "$ROOT/$1/docker"
  ! declare -F "$(kind "$1")_prepare_docker" >/dev/null || (cd "$ROOT/$1" && "$(kind "$1")_prepare_docker" "$1")
  [ "$(docker_state "$1")" != paused ] || compose unpause "$1"
  compose up --detach --wait "$1"
  printf '%-17s up     port %s in docker\n' "$1" "$(port "$1")"
}

docker_state() {
  case $(compose ps --all --format '{{.State}}' "$1") in
    running) echo up ;;
    paused) echo paused ;;
    *) echo down ;;
  esac
}

docker_fault() { # SIGNAL NAME
  case $1 in
    STOP) compose pause "$2" ;;
    CONT) compose unpause "$2" ;;
    KILL) compose kill --signal KILL "$2" ;;
  esac
}

docker_remove() { compose rm --stop --force --volumes "$1"; }
