#!/bin/sh
# Prints the path of the coding agent that e2e/agent-cli.test.ts drives, or says on stderr why there is none.
# `--install` fetches it from npm into the cache first: 170 MB, so no test and no `npm ci` does it unasked.
set -eu

VERSION=0.171.0 # of @openai/codex

case ${XDG_CACHE_HOME:-} in
  /*) cache=$XDG_CACHE_HOME/sluice ;;
  *) cache=${HOME:?has to be set, or XDG_CACHE_HOME}/.cache/sluice ;;
esac
home=$cache/codex-$VERSION

# The package of the platform holds the program; the one that npm calls `codex` only looks for it.
find_program() {
  find "$home"/node_modules/@openai/codex-*/vendor/*/bin -name codex -type f 2>/dev/null | head -n 1
}

program=$(find_program)
if [ -z "$program" ] && [ "${1:-}" = --install ]; then
  partial=$home.$$
  trap 'rm -rf "$partial"' EXIT
  npm install --prefix "$partial" --ignore-scripts --no-audit --no-fund "@openai/codex@$VERSION" >&2
  rm -rf "$home" && mv "$partial" "$home"
  program=$(find_program)
fi
if [ -z "$program" ]; then
  echo "no coding agent $VERSION in $cache: \`make agent-cli\` installs it" >&2
  exit 1
fi
"$program" --version >&2
echo "$program"
