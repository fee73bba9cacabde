#!/bin/sh
# Installs what a checkout needs: node packages from the lock file, and the Debian packages named in the file given as $1 (if any).
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here"

missing=''
if [ $# -gt 0 ]; then
  # shellcheck disable=SC2013 # one word a line
  for package in $(grep -v "^#" "$1"); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
fi
if [ -n "$missing" ]; then
  as_root=''
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "error: root is needed to install$missing" >&2; echo "hint: run as root, or install sudo" >&2; exit 1; }
    as_root=sudo
  fi
  echo "installing$missing"
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # package names are words
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

stamp=node_modules/.stillpoint-lock
if ! cmp -s package-lock.json "$stamp" 2>/dev/null; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$stamp"
fi
