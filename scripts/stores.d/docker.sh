# shellcheck shell=bash
# Where a store's program is not to be had as a process, the service of the same name in compose.yaml takes its place.
#
# Checked with `docker compose config`, never run: no machine with an engine was at hand.

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
  [ "$DOCKER_USABLE" = yes ]
}

compose() {
  local name ports=()
  for name in "${STORES[@]}"; do ports+=("PORT_$(variable "$name")=$(port "$name")"); done
  env "${ports[@]}" "STORES_DIR=$ROOT" "STORES_USER=$(id -u):$(id -g)" \
    docker compose --file "$HERE/../compose.yaml" --project-name "holdfast-$BASE" --progress quiet "$@"
}

in_docker() { [ -e "$ROOT/$1/docker" ]; }

# The services share the network of one that publishes their ports, so there a server has to listen on more than loopback.
listen_address() { if in_docker "$1"; then echo 0.0.0.0; else echo 127.0.0.1; fi; }

docker_start() { # NAME...
  local name
  for name in "$@"; do
    mkdir -p "$ROOT/$name/data"
    touch "$ROOT/$name/docker"
    case $(kind "$name") in
      redis | watcher | pgbouncer | zookeeper) (cd "$ROOT/$name" && "$(kind "$name")_prepare" "$name") ;; # the images of the others make their own
    esac
    [ "$(docker_state "$name")" != paused ] || compose unpause "$name"
  done
  compose up --detach --wait "$@"
  for name in "$@"; do printf '%-17s up     port %s in docker\n' "$name" "$(port "$name")"; done
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

docker_remove() {
  compose rm --stop --force --volumes "$1"
  rm "$ROOT/$1/docker"
  [ -n "$(compgen -G "$ROOT/*/docker")" ] || compose down --volumes
}
