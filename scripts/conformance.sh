#!/usr/bin/env bash
# Runs the state, blockchain and engine tests of the fixtures and compares the failures with the checked-in
# lists, which may only shrink.
# Usage: scripts/conformance.sh BINARY FIXTURES [state|blockchain|engine]
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$1
fixtures=$2
only=${3:-}
# Each blockchain case has a database of its own; memory is the right place for them.
[ -w /dev/shm ] && export TMPDIR=/dev/shm

compare() {
  local kind=$1 list=$2 found
  shift 2
  found=$(mktemp)
  # Failing cases make the command itself fail; which ones they are decides below.
  "$binary" test "$kind" --failures "$@" >"$found" || [ -s "$found" ]
  python3 - "$found" "$list" "$kind" <<'PYTHON'
import json, sys
found, list_file, kind = sys.argv[1:]
actual = {"%s %s %s" % (case["name"], case["fork"], case["index"]) for case in map(json.loads, open(found))}
expected = {line.strip() for line in open(list_file) if line.strip() and not line.startswith("#")}
for case in sorted(actual - expected):
    print("fails, but is not in the list:", case, file=sys.stderr)
for case in sorted(expected - actual):
    print("passes: take it off the list:", case, file=sys.stderr)
if actual != expected:
    sys.exit(f"{kind} tests: the failures are not those of {list_file}")
print(f"{kind} tests: as expected, {len(expected)} known failures")
PYTHON
  rm -f "$found"
}

if [ -z "$only" ] || [ "$only" = state ]; then
  compare state tests/state-test-failures.txt \
    "$fixtures/ethereum-tests/GeneralStateTests" "$fixtures/legacytests" "$fixtures/eest"
fi
if [ -z "$only" ] || [ "$only" = blockchain ]; then
  compare blockchain tests/blockchain-test-failures.txt \
    "$fixtures/ethereum-tests/BlockchainTests" "$fixtures/legacytests" "$fixtures/eest"
fi
if [ -z "$only" ] || [ "$only" = engine ]; then
  # None is known to fail.
  "$binary" test engine --failures "$fixtures/eest/blockchain_tests_engine"
fi
