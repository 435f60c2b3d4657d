#!/usr/bin/env bash
# Runs the state tests of the fixtures and compares the failures with the checked-in list.
# Usage: scripts/state-tests.sh BINARY FIXTURES
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
fixtures=$2
found=$(mktemp)
trap 'rm -f "$found"' EXIT

run() {
  # Failing cases make the command itself fail; which ones they are decides here.
  "$binary" test state --failures "$@" >>"$found" || [ -s "$found" ]
}
run "$fixtures/ethereum-tests/GeneralStateTests" "$fixtures/legacytests" "$fixtures/eest"

actual=$(python3 -c '
import json, sys
cases = (json.loads(line) for line in open(sys.argv[1]))
print("\n".join(sorted({"%s %s %s" % (case["name"], case["fork"], case["index"]) for case in cases})))
' "$found")
expected=$(grep -v '^#' tests/state-test-failures.txt | sort)
if [ "$actual" != "$expected" ]; then
  echo 'The failing cases are not those of tests/state-test-failures.txt (< expected, > found):' >&2
  diff <(echo "$expected") <(echo "$actual") >&2 || true
  exit 1
fi
echo "state tests: as expected, $(echo "$expected" | wc -l) known failures"
