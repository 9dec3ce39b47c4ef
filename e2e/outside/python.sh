#!/bin/sh
# Prints the path of a Python that has the packages of requirements.txt, or says on stderr why there is none.
# They are installed from PyPI into a venv in the cache, once: about 40 s, some 200 MB.
set -eu

requirements=$(dirname "$0")/requirements.txt
case ${XDG_CACHE_HOME:-} in
  /*) cache=$XDG_CACHE_HOME/sluice ;;
  *) cache=${HOME:?has to be set, or XDG_CACHE_HOME}/.cache/sluice ;;
esac

refuse() {
  echo "$1" >&2
  exit 1
}

command -v python3 >/dev/null || refuse 'no python3 here'
tag=$(python3 -c '
import hashlib, sys
pins = open(sys.argv[1], "rb").read()
print("%d.%d-%s" % (*sys.version_info[:2], hashlib.sha256(pins).hexdigest()[:12]))
' "$requirements") || refuse 'python3 does not run'
venv=$cache/python-$tag

# The stamp is written last: a venv that was left half made is made again.
if [ ! -f "$venv/complete" ]; then
  mkdir -p "$cache"
  rm -rf "$venv"
  python3 -m venv "$venv" >&2 || refuse 'python3 has no venv; on Debian it is the package python3-venv'
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --retries 1 --timeout 15 \
    --requirement "$requirements" >&2 || refuse 'PyPI does not give the packages of e2e/outside/requirements.txt'
  touch "$venv/complete"
fi
echo "$venv/bin/python"
