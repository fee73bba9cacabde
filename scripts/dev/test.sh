#!/bin/sh
# Sets up all that the tests need and runs everything at a small size. --full: the tests that have a large size, at that size (kills at every
# operation, large data, a virtual machine with a stock kernel), two files at a time; or only those that are named. Each leaves its result in
# test/full-results.d/, and all together are test/full-results.md.
# The last line is "N passed, N failed" (", N skipped" may follow).
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here" || exit 1

full=''
case ${1-} in
  --full) full=1; shift ;;
  '') ;;
  *) echo "error: unknown option $1" >&2; echo "hint: test.sh [--full [test/…/file.test.ts …]]" >&2; exit 2 ;;
esac

scripts/dev/setup.sh scripts/dev/packages.txt || { echo "0 passed, 1 failed"; exit 1; }
if [ -n "$full" ]; then
  scripts/dev/setup.sh scripts/dev/packages-full.txt || { echo "0 passed, 1 failed"; exit 1; }
  # shellcheck disable=SC2046 # file names are words
  [ $# -gt 0 ] || set -- $(grep -v '^#' scripts/dev/full-parts.txt)
  export STILLPOINT_FULL=1
fi

passed=0
failed=0
skipped=0
check() {
  name=$1
  shift
  echo "== $name"
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name"; fi
}

check types npm run -s typecheck
check lint npm run -s lint
check floors npm run -s floors
# shellcheck disable=SC2046 # file names are words
check shellcheck shellcheck $(git ls-files 'scripts/*' | grep -vE '\.(ts|txt)$') .ci/run

results=$(mktemp)
trap 'rm -f "$results"' EXIT
echo "== vitest"
scripts/dev/node node_modules/vitest/vitest.mjs run --reporter=default --reporter=json --outputFile.json="$results" "$@"
status=$?
counts=$(scripts/dev/node scripts/dev/test-counts.ts "$results" ${full:+--note}) || counts="0 1 0"
# shellcheck disable=SC2086 # three numbers
set -- $counts
[ "$status" -ne 0 ] && [ "$2" -eq 0 ] && set -- "$1" 1 "$3"
passed=$((passed + $1))
failed=$((failed + $2))
skipped=$3

line="$passed passed, $failed failed"
[ "$skipped" -gt 0 ] && line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
