# shellcheck shell=bash disable=SC2046,SC2086 # lists of packages are split on purpose
# Getting the programs: packages of this Debian, packages of other Debian suites unpacked into $TOOLS, and programs from npm.

debian_as_root() { [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null; }
debian_codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

install_missing() {
  local name missing=() packages=() failed=0 pid fetches=()
  for name in "$@"; do runs_natively "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! debian_as_root; then
    ! docker_usable || compose pull net "${missing[@]}"
    return
  fi

  mapfile -t packages < <(for name in "${missing[@]}"; do "$(kind "$name")_packages" "$name"; done | xargs -n1 | unique | not_installed)
  [ ${#packages[@]} = 0 ] || install_packages "${packages[@]}" || failed=1
  for name in "${missing[@]}"; do
    declare -F "$(kind "$name")_fetch" >/dev/null || continue
    "$(kind "$name")_fetch" "$name" &
    fetches+=($!)
  done
  for pid in "${fetches[@]}"; do wait "$pid" || failed=1; done
  return $failed
}

not_installed() {
  local package
  while read -r package; do dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || echo "$package"; done
}

# One that cannot be had must not keep the others away, so after a failure each is tried by itself.
install_packages() {
  local package failed=0
  forbid_services
  echo "installing $*"
  quiet_apt update || echo "the lists of packages could not be brought up to date, trying with the old ones" >&2
  if ! quiet_apt install "$@"; then
    for package in "$@"; do quiet_apt install "$package" || failed=1; done
  fi
  allow_services
  return $failed
}

quiet_apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 --yes --no-install-recommends "$@" >/dev/null; }

# Packages of servers start them at once, as system services, unless a file like this says no.
POLICY=/usr/sbin/policy-rc.d
forbid_services() {
  OUR_POLICY=no
  [ ! -e $POLICY ] || return 0
  printf '#!/bin/sh\nexit 101\n' >$POLICY
  chmod +x $POLICY
  OUR_POLICY=yes
}
allow_services() { [ $OUR_POLICY = no ] || rm -f $POLICY; }

# Packages of another suite, out of the mirror that this machine uses, unpacked into $TOOLS/NAME; the system stays as it is.
# `alone` takes the packages named, whose libraries this Debian has; `complete` takes all they depend on as well.
fetch_from_suite() { # SUITE NAME alone|complete PACKAGE...
  local suite=$1 name=$2 extent=$3 work apt package
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
  : >"$work/status"
  printf '%s\n' "Types: deb" "URIs: $(debian_mirror)" "Suites: $suite" "Components: main" \
    "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" >"$work/suite.sources"
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/suite.sources" -o Dir::Etc::SourceParts=/dev/null -o "Dir::State::Lists=$work/lists"
    -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives" -o APT::Sandbox::User=root)
  echo "fetching ${*:4} of $suite"
  "${apt[@]}" update
  case $extent in
    alone) (cd "$work/archives" && "${apt[@]}" download "${@:4}") ;;
    complete) "${apt[@]}" -o "Dir::State::status=$work/status" -o APT::Install-Recommends=0 install --yes --download-only "${@:4}" >/dev/null ;;
  esac
  for package in "$work"/archives/*.deb; do dpkg -x "$package" "$work/root"; done
  keep_tool "$work/root" "$name"
  rm -rf "$work"
}

debian_mirror() { apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk -v suite="$(debian_codename)" '$2 == suite {print $1; exit}'; }

# A package of npm with the programs in it, into $TOOLS/NAME; the project's own package.json knows nothing of it.
fetch_from_npm() { # NAME PACKAGE@VERSION...
  local work
  work=$(mktemp -d)
  echo "fetching ${*:2} of npm"
  npm install --prefix "$work" --no-save --no-audit --no-fund --silent "${@:2}"
  keep_tool "$work" "$1"
}

# Moved in at the end and at once: what stands in $TOOLS is whole.
keep_tool() {
  mkdir -p "$TOOLS"
  chmod 755 "$TOOLS" "$1"
  rm -rf "${TOOLS:?}/$2"
  mv "$1" "$TOOLS/$2"
}
