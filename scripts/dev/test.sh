#!/bin/sh
# Sets up all that the tests need and runs everything. --full: the large sizes too, with test/full-results.md as the result.
# The last line is "N passed, N failed" (", N skipped" may follow).
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
cd "$here" || exit 1

full=''
case ${1-} in
  --full) full=1 ;;
  '') ;;
  *) echo "error: unknown option $1" >&2; echo "hint: test.sh [--full]" >&2; exit 2 ;;
esac

scripts/dev/setup.sh scripts/dev/packages.txt || { echo "0 passed, 1 failed"; exit 1; }
if [ -n "$full" ]; then
  scripts/dev/setup.sh scripts/dev/packages-full.txt || { echo "0 passed, 1 failed"; exit 1; }
fi

passed=0
failed=0
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

[ -n "$full" ] && rm -rf test/full-results.d
results=$(mktemp)
trap 'rm -f "$results"' EXIT
echo "== vitest"
STILLPOINT_FULL=$full scripts/dev/node node_modules/vitest/vitest.mjs run --reporter=default --reporter=json --outputFile.json="$results"
status=$?
counts=$(scripts/dev/node -e '
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped, numFailedTestSuites: suites } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
  console.log(passed, Math.max(failed, failed === 0 ? suites : 0), skipped);
' "$results") || counts="0 1 0"
# shellcheck disable=SC2086 # three numbers
set -- $counts
[ "$status" -ne 0 ] && [ "$2" -eq 0 ] && set -- "$1" 1 "$3"
passed=$((passed + $1))
failed=$((failed + $2))

line="$passed passed, $failed failed"
[ "$3" -gt 0 ] && line="$line, $3 skipped"
if [ -n "$full" ]; then
  { echo "# Results of scripts/dev/test.sh --full"; echo; cat test/full-results.d/*.md 2>/dev/null; echo; echo "$line"; } >test/full-results.md
fi
echo "$line"
[ "$failed" -eq 0 ]
