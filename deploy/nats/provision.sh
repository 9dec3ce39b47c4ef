#!/bin/sh
# Finds or fetches nats-server and prints its absolute path as the only line on stdout.
# Everything else goes to stderr. Nothing is installed system-wide and root is not needed.
#
# The first source that yields a working server of at least MINIMUM wins:
#   1. $SLUICE_NATS_SERVER         an explicit choice; unusable or too old is an error, never skipped
#   2. the cache                   ${XDG_CACHE_HOME:-$HOME/.cache}/sluice/nats-server-<version>
#   3. nats-server on PATH
#   4. the official release        github.com/nats-io/nats-server, as pinned in SHA256SUMS beside this file
#   5. a newer Debian suite        from this machine's own Debian mirror, signature checked by apt: debian.sh
#   6. go install                  checked by Go's checksum database
#   7. Homebrew                    an existing install that is not on PATH
#
# POSIX sh, so that it runs on Debian's dash and macOS's bash 3.2 alike.
set -eu

VERSION=2.15.1 # what we ship and test with
MINIMUM=2.14.5 # older servers lack fixes the token log relies on

HERE=$(cd "$(dirname -- "$0")" && pwd)
PINS=$HERE/SHA256SUMS
# shellcheck source=deploy/nats/debian.sh
. "$HERE/debian.sh"

CONNECT_SECONDS=3    # an unreachable source must not be noticed later than this
DOWNLOAD_SECONDS=300 # a reachable but slow one may take this long
BUILD_SECONDS=600

main() {
  case ${1:-} in
    '' | --verify-pins) ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac

  scratch='' job='' partial=''
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  if [ "${1:-}" = --verify-pins ]; then
    verify_pins
    return
  fi
  if [ -n "${SLUICE_NATS_SERVER:-}" ]; then
    from_environment
    return
  fi
  case ${XDG_CACHE_HOME:-} in
    /*) cache=$XDG_CACHE_HOME/sluice ;;
    *) cache=${HOME:?has to be set, or XDG_CACHE_HOME}/.cache/sluice ;; # the XDG rule: relative paths do not count
  esac
  if from_cache || from_path; then return; fi

  scratch=$(mktemp -d "${TMPDIR:-/tmp}/sluice-nats.XXXXXX")
  log=$scratch/log
  for source in from_release from_debian from_go from_homebrew; do
    if "$source"; then return; fi
  done
  explain
  exit 1
}

usage() {
  cat <<TEXT
Usage: provision.sh [--verify-pins]

Prints the absolute path of a nats-server $MINIMUM or newer, fetching $VERSION when there is none.
With --verify-pins it compares the pinned checksums with those that the releases publish, and fetches nothing else.

  SLUICE_NATS_SERVER  use this binary and look no further
  XDG_CACHE_HOME      where the fetched server is kept (default ~/.cache), in sluice/
TEXT
}

# --- sources: each prints a path and succeeds, or explains itself on stderr and fails -------------

from_environment() {
  binary=$(absolute "$SLUICE_NATS_SERVER") ||
    die "SLUICE_NATS_SERVER=$SLUICE_NATS_SERVER is not an executable file"
  found=$(version_of "$binary") ||
    die "SLUICE_NATS_SERVER=$SLUICE_NATS_SERVER does not answer --version like a nats-server"
  at_least "$found" "$MINIMUM" ||
    die "SLUICE_NATS_SERVER=$SLUICE_NATS_SERVER is $found; Sluice needs $MINIMUM or newer"
  printf '%s\n' "$binary"
}

from_cache() {
  for candidate in "$cache/nats-server-$VERSION" "$cache"/nats-server-[0-9]*; do
    if usable "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

from_path() {
  candidate=$(absolute nats-server) || return 1
  if usable "$candidate"; then
    printf '%s\n' "$candidate"
    return
  fi
  say "skipping $candidate: $(version_of "$candidate" || echo 'unknown version'), need $MINIMUM or newer"
  return 1
}

from_release() {
  platform=$(release_platform) || return 1
  if ! have curl && ! have wget; then return 1; fi
  # What is not pinned is not fetched: a checksum from the same place as the archive proves nothing.
  pin=$(awk -v end="-$platform.tar.gz" 'index($2, end) { print $1, $2; exit }' "$PINS")
  expected=${pin%% *} name=${pin##* }
  [ -n "$pin" ] || return 1

  # An unreachable source is noticed within CONNECT_SECONDS.
  if ! step "downloading $name" "$DOWNLOAD_SECONDS" download "$(release_of "$name")/$name" "$scratch/$name"; then
    say 'github.com is not reachable, or has no such release'
    return 1
  fi
  actual=$(sha256_of "$scratch/$name") || return 1
  if [ "$expected" != "$actual" ]; then
    say "REFUSED: checksum of $name is $actual, pinned is $expected"
    return 1
  fi
  tar -xzf "$scratch/$name" -C "$scratch" "${name%.tar.gz}/nats-server" 2>>"$log" || return 1
  keep "$scratch/${name%.tar.gz}/nats-server"
}

# nats-server-v2.15.1-linux-amd64.tar.gz -> where that release is
release_of() {
  version=${1#nats-server-v}
  printf 'https://github.com/nats-io/nats-server/releases/download/v%s\n' "${version%%-*}"
}

# For releases of Sluice: a wrong pin would refuse a good archive on every machine.
verify_pins() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/sluice-nats.XXXXXX")
  log=$scratch/log wrong=0
  while read -r expected name; do
    sums=$scratch/${name%-*.tar.gz}
    [ -f "$sums" ] || step "reading the checksums for $name" 60 download "$(release_of "$name")/SHA256SUMS" "$sums" || return 1
    if grep -qxE "$expected +\*?$name" "$sums"; then
      say "ok     $name"
    else
      say "WRONG  $name: pinned is $expected, the release says $(awk -v file="$name" '{ sub(/^\*/, "", $2) } $2 == file { print $1 }' "$sums")"
      wrong=1
    fi
  done <"$PINS"
  return "$wrong"
}

# The package is downloaded and unpacked with an apt configuration of its own: the machine's sources,
# package lists and installed packages are neither changed nor consulted. The mirror is whichever the
# machine already uses, so this works behind company mirrors too.
from_go() {
  have go || return 1
  mkdir -p "$scratch/go"
  if ! step "building nats-server $VERSION with Go" "$BUILD_SECONDS" \
    env GOBIN="$scratch/go" go install "github.com/nats-io/nats-server/v2@v$VERSION"; then
    say "go install failed: $(tail -n 1 "$log")"
    return 1
  fi
  keep "$scratch/go/nats-server"
}

from_homebrew() {
  have brew || return 1
  candidate=$(brew --prefix 2>>"$log")/bin/nats-server
  usable "$candidate" || return 1
  printf '%s\n' "$candidate"
}

explain() {
  cat >&2 <<TEXT

No nats-server $MINIMUM or newer here, and none could be fetched. Three ways to get one:

  1. Download the archive for this machine from
       https://github.com/nats-io/nats-server/releases/tag/v$VERSION
     unpack it, and put the binary on PATH or name it:
       export SLUICE_NATS_SERVER=/path/to/nats-server
  2. Use a package manager:  brew install nats-server   (macOS)
                             apt install nats-server    (Debian $DEBIAN_SUITE or newer)
  3. Build it with Go:       go install github.com/nats-io/nats-server/v2@v$VERSION

Then run this again.
TEXT
}

# --- the cache ------------------------------------------------------------------------------------

# Copies a fetched server into the cache under its real version. The rename makes it appear whole or
# not at all, so parallel calls may race: the last one wins with an equal file.
keep() {
  chmod 755 "$1" || return 1
  if ! found=$(version_of "$1"); then
    say 'what was fetched does not run on this machine'
    return 1
  fi
  if ! at_least "$found" "$MINIMUM"; then
    say "what was fetched is $found, need $MINIMUM or newer"
    return 1
  fi
  mkdir -p "$cache"
  partial=$(mktemp "$cache/.partial.XXXXXX") # same file system as the target, or mv would copy
  cp "$1" "$partial" && chmod 755 "$partial" && mv -f "$partial" "$cache/nats-server-$found" || return 1
  partial=''
  say "nats-server $found is in $cache"
  printf '%s\n' "$cache/nats-server-$found"
}

# --- small questions ------------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

# The absolute path of an executable given as a path or a name on PATH.
absolute() {
  located=$(command -v -- "$1" 2>/dev/null) || return 1
  if [ ! -f "$located" ] || [ ! -x "$located" ]; then return 1; fi
  case $located in
    /*) printf '%s\n' "$located" ;;
    *) printf '%s/%s\n' "$(cd "$(dirname -- "$located")" && pwd)" "$(basename -- "$located")" ;;
  esac
}

# "nats-server: v2.15.1" -> 2.15.1; fails for anything that does not run or answers otherwise.
version_of() {
  answer=$("$1" --version 2>/dev/null </dev/null) || return 1
  case $answer in
    'nats-server: v'[0-9]*) answer=${answer#nats-server: v} && printf '%s\n' "${answer%%[!0-9.]*}" ;;
    *) return 1 ;;
  esac
}

# at_least 2.15.1 2.14.5: dotted numbers compared field by field.
at_least() {
  awk -v have="$1" -v want="$2" 'BEGIN {
    split(have, h, "."); split(want, w, ".")
    for (i = 1; i <= 3; i++) if (h[i] + 0 != w[i] + 0) exit !(h[i] + 0 > w[i] + 0)
  }'
}

usable() {
  [ -x "$1" ] && [ ! -d "$1" ] && seen=$(version_of "$1") && at_least "$seen" "$MINIMUM"
}

release_platform() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) return 1 ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    armv7*) arch=arm7 ;;
    armv6*) arch=arm6 ;;
    *) return 1 ;;
  esac
  printf '%s-%s\n' "$os" "$arch"
}

sha256_of() {
  if have sha256sum; then
    sha256sum "$1" | awk '{ print $1 }'
  elif have shasum; then
    shasum -a 256 "$1" | awk '{ print $1 }'
  else
    say 'neither sha256sum nor shasum here: an unchecked archive is not used'
    return 1
  fi
}

# `exec`, so that stopping the step stops the program and not only the shell around it.
download() {
  if have curl; then
    exec curl -fsSL --connect-timeout "$CONNECT_SECONDS" --proto '=https' -o "$2" "$1"
  else
    exec wget -q --tries=1 --connect-timeout="$CONNECT_SECONDS" --dns-timeout="$CONNECT_SECONDS" -O "$2" "$1"
  fi
}

# --- running long things --------------------------------------------------------------------------

# step <what> <seconds> <command...>: runs quietly into the log with a dot a second as a sign of life,
# and stops it after the given time (there is no `timeout` on macOS).
step() {
  what=$1 limit=$(($2 * 5)) ticks=0
  shift 2
  printf '%s ' "$what" >&2
  "$@" >>"$log" 2>&1 </dev/null &
  job=$!
  while kill -0 "$job" 2>/dev/null; do
    sleep 0.2
    ticks=$((ticks + 1))
    if [ $((ticks % 5)) -eq 0 ]; then printf '.' >&2; fi
    if [ "$ticks" -ge "$limit" ]; then kill "$job" 2>/dev/null || true; fi
  done
  status=0
  wait "$job" || status=$?
  job=''
  if [ "$status" -eq 0 ]; then mark=✓; else mark=✗; fi
  echo " $mark $((ticks / 5)) s" >&2
  return "$status"
}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

cleanup() {
  if [ -n "$job" ]; then kill "$job" 2>/dev/null || true; fi
  if [ -n "$partial" ]; then rm -f "$partial"; fi
  if [ -n "$scratch" ]; then rm -rf "$scratch"; fi
}

main "$@"
