# shellcheck shell=bash disable=SC2046,SC2086 # names of stores have no spaces, lists of them are split on purpose
# Which stores there are, what they are called, and where they listen.
#
# A store is one line of `define` and is of a kind. A kind is a handful of functions:
#   KIND_missing NAME    says why it cannot run here, or nothing
#   KIND_packages NAME   the Debian packages it comes from
#   KIND_fetch NAME      gets what is no package of this Debian (optional)
#   KIND_prepare NAME    makes the files that its first start needs, in its own directory (optional)
#   KIND_command NAME    sets COMMAND, which runs in its own directory
#   KIND_ready NAME      succeeds once it answers
#   KIND_url NAME        its address
#   KIND_more_env NAME   further lines for `env` (optional)
# A group is several stores under one name, with
#   join_GROUP           makes one of them, once all run (optional)
#   address_of_GROUP     the address of the whole

STORES=()                 # in the order of starting
declare -A KIND=()        # store -> kind
declare -A OFFSET=()      # store -> its port, counted from BASE
declare -A NEEDS=()       # store -> another that must run for it
declare -A MEMBERS=()     # group -> its stores
declare -A GROUP_OF=()    # store -> its group
declare -A STOP_SIGNAL=() # kind -> the signal of an orderly end, where that is not TERM

define() { # NAME KIND PORT-OFFSET
  STORES+=("$1")
  KIND[$1]=$2
  OFFSET[$1]=$3
}

group() { # NAME MEMBER...
  local member
  MEMBERS[$1]=${*:2}
  for member in "${@:2}"; do GROUP_OF[$member]=$1; done
}

kind() { echo "${KIND[$1]}"; }
port() { echo $((BASE + OFFSET[$1])); }
variable() { local name=${1^^}; echo "${name//-/_}"; }
unique() { awk 'NF && !seen[$0]++'; }

# Refuses a name that nobody defined, before anything is done about the others.
known() {
  local name
  for name in "$@"; do
    [ -z "${KIND[$name]:-}${MEMBERS[$name]:-}" ] || continue
    echo "unknown store: $name" >&2
    echo "known are: ${STORES[*]}" >&2
    echo "and the groups: $(printf '%s\n' "${!MEMBERS[@]}" | sort | xargs)" >&2
    exit 2
  done
}

# One store a line: a group is its members.
expand() {
  local name
  for name in "$@"; do printf '%s\n' ${MEMBERS[$name]:-$name}; done
}

expand_with_needs() {
  local name
  for name in $(expand "$@"); do echo "${NEEDS[$name]:-}" "$name" | xargs -n1; done
}

groups_of() {
  local name
  for name in "$@"; do echo "${GROUP_OF[$name]:-}"; done | unique
}

# host:port of several stores, with a comma between: addresses NAME...
addresses() {
  local name
  for name in $(expand "$@"); do echo "127.0.0.1:$(port "$name")"; done | paste -sd, -
}
