# shellcheck shell=bash disable=SC2046,SC2086 # lists of process ids are split on purpose
# One server process a store, kept in $ROOT/NAME/pid as "PID START-TIME": a number alone may have gone to another process.

READY_SECONDS=60
STOP_SECONDS=10

# Several servers refuse to run as root, and none needs to.
SERVER_USER=$(id -un)
AS_SERVER=()
if [ "$(id -u)" = 0 ]; then
  SERVER_USER=nobody
  AS_SERVER=(setpriv --reuid=nobody "--regid=$(id -gn nobody)" --clear-groups)
fi

now_ms() { echo $((${EPOCHREALTIME//[.,]/} / 1000)); }

# Prints "STATE PARENT START-TIME". What stands before the last ")" is the program's name, and may hold anything.
process_stat() {
  local line fields
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${line##*) }"
  echo "${fields[0]} ${fields[1]} ${fields[19]}"
}

pid_of() { cut -d' ' -f1 "$ROOT/$1/pid"; }

# Prints up, paused or down. A zombie is down: whoever should collect it may take long.
process_state() {
  local pid recorded status started
  { read -r pid recorded <"$ROOT/$1/pid"; } 2>/dev/null || { echo down; return; }
  read -r status _ started < <(process_stat "$pid") || true
  if [ "$started" != "$recorded" ] || [ "$status" = Z ]; then
    echo down
  elif [ "$status" = T ]; then
    echo paused
  else
    echo up
  fi
}

process_details() {
  local pid
  in_docker "$1" && { echo "in docker"; return; }
  pid=$(pid_of "$1")
  echo "pid $pid $(awk '/^VmRSS/ {print int($2 / 1024)}' "/proc/$pid/status") MB"
}

# A process and all below it. A signal to its group would miss PostgreSQL's backends: each is in a group of its own.
descendants() {
  local -A children=()
  local file pid parent queue=("$1")
  for file in /proc/[0-9]*/stat; do
    pid=${file//[!0-9]/}
    read -r _ parent _ < <(process_stat "$pid") || continue
    children[$parent]+=" $pid"
  done
  while [ ${#queue[@]} -gt 0 ]; do
    pid=${queue[0]}
    echo "$pid"
    queue=("${queue[@]:1}" ${children[$pid]:-})
  done
}

# Signals a server and its children. It is paused first, so that none is born between the listing and the signal.
signal_process() { # SIGNAL NAME
  local pid
  pid=$(pid_of "$2")
  kill -STOP "$pid"
  kill "-$1" $(descendants "$pid") 2>/dev/null || true
}

# Runs a command while no other call of this script starts or ends the same store.
exclusively() { # NAME COMMAND...
  local LOCK
  mkdir -p "$ROOT/locks"
  exec {LOCK}>"$ROOT/locks/$1"
  flock "$LOCK"
  "${@:2}"
  exec {LOCK}>&-
}

start_process() {
  exclusively "$1" launch "$1"
  await_process "$1"
}

stop_process() { [ ! -e "$ROOT/$1/pid" ] || exclusively "$1" end "$1"; }

launch() {
  local name=$1 home=$ROOT/$1
  case $(process_state "$name") in
    up) return ;;
    paused) signal_process CONT "$name"; return ;;
  esac
  mkdir -p "$home/data"
  if [ "$SERVER_USER" = nobody ]; then
    chmod 755 "$ROOT" "$home"
    own "$home" "$home/data"
    "${AS_SERVER[@]}" test -x "$home" || { echo "$name: user nobody cannot enter $home, set HOLDFAST_STORES_DIR elsewhere" >&2; return 1; }
  fi
  cd "$home" || return 1
  ! declare -F "$(kind "$name")_prepare" >/dev/null || "$(kind "$name")_prepare" "$name"
  "$(kind "$name")_command" "$name"
  # A server that inherited the lock would keep it for life.
  (exec setsid "${AS_SERVER[@]}" "${COMMAND[@]}" </dev/null >>log 2>&1 {LOCK}>&-) &
  echo "$! $(process_stat $! | cut -d' ' -f3)" >pid
}

# Runs what makes the first data of a store: once, and again if it was cut short.
make_first_data() { # COMMAND...
  [ ! -e prepared ] || return 0
  find data -mindepth 1 -delete
  "$@" >>log 2>&1
  touch prepared
}

# Gives files to the user that the servers run as.
own() { [ "$SERVER_USER" != nobody ] || chown nobody "$@"; }

await_process() {
  local name=$1 began end
  began=$(now_ms)
  end=$((began + READY_SECONDS * 1000))
  until "$(kind "$name")_ready" "$name" >/dev/null 2>&1; do
    if [ "$(process_state "$name")" = down ]; then
      echo "$name ended at its start:" >&2
      tail -5 "$ROOT/$name/log" >&2
      return 1
    elif [ "$(now_ms)" -gt $end ]; then
      echo "$name did not answer within $READY_SECONDS s, see $ROOT/$name/log" >&2
      return 1
    fi
    sleep 0.03
  done
  printf '%-17s up     port %s pid %-7s %5s ms\n' "$name" "$(port "$name")" "$(pid_of "$name")" $(($(now_ms) - began))
}

end() {
  local name=$1 deadline=$(($(now_ms) + STOP_SECONDS * 1000))
  if [ "$(process_state "$name")" != down ]; then
    signal_process CONT "$name"
    kill "-${STOP_SIGNAL[$(kind "$name")]:-TERM}" "$(pid_of "$name")"
  fi
  while [ "$(process_state "$name")" != down ]; do
    if [ "$(now_ms)" -gt $deadline ]; then
      echo "$name did not end within $STOP_SECONDS s, killing it" >&2
      signal_process KILL "$name"
    fi
    sleep 0.05
  done
  rm -f "$ROOT/$name/pid"
}

# Asks a server one question over plain TCP, without a client program: ask PORT QUESTION START-OF-ANSWER
ask() {
  local socket answer=
  exec {socket}<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf '%b' "$2" >&"$socket"
  IFS= read -r -t 1 -n "${#3}" answer <&"$socket" || true
  exec {socket}>&-
  [ "$answer" = "$3" ]
}

# Repeats a command until it succeeds.
within() { # SECONDS COMMAND...
  local end=$(($(now_ms) + $1 * 1000))
  until "${@:2}" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt $end ] || return 1
    sleep 0.05
  done
}
