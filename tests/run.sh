#!/usr/bin/env bash
# End-to-end tests: real tools against the node program. Usage: tests/run.sh BINARY [SUITE...]
# E2E_ALL=1 adds the suites that need much space or time. E2E_URL=http://... tests a running node instead of fresh ones (for suites that need
# only one).
set -euo pipefail
tests=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tests")
[ $# -ge 1 ] || { echo "usage: tests/run.sh BINARY [SUITE...]" >&2; exit 2; }
PLASMA_BINARY=$(realpath "$1"); shift
[ -x "$PLASMA_BINARY" ] || { echo "tests/run.sh: $PLASMA_BINARY is no program" >&2; exit 2; }
cache="$root/.cache/e2e"
E2E_TMP="$cache/run.$$"
mkdir -p "$E2E_TMP"
export PLASMA_BINARY E2E_TMP

all=(sample foundry hardhat3 hardhat3-ethers js python amsterdam engine explorer explain keeper dropin examples restart faults badinput edge fuzz)
# Ubuntu's package of the browser is not one that can be used without its store: there the suite must be asked for.
{ command -v "${CHROMIUM:-chromium}" || grep -qs '^ID=debian$' /etc/os-release; } >/dev/null && all+=(wallet)
[ -n "${E2E_ALL:-}" ] && all+=(hardhat2 ape)
suites=("${@:-${all[@]}}")
[ $# -gt 0 ] || suites=("${all[@]}")

# npm packages of a folder, unless its lockfile is unchanged since the last time.
npm_ci() {
  local folder=$1 stamp="$1/node_modules/.plasma-lock"
  cmp -s "$folder/package-lock.json" "$stamp" && return
  echo "installing the npm packages of ${folder#"$root"/}" >&2
  (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
  cp "$folder/package-lock.json" "$stamp"
}

# Hardhat 3 wants a newer Node.js than distributions have, and npm must run under it to find its native parts.
node24() { npm_ci "$tests/node24"; PATH="$tests/node24/node_modules/.bin:$PATH"; }

# The Python packages of a suite, in an environment of its own.
python_venv() {
  local requirements="$tests/$1/requirements.txt" venv="$cache/venv-$1" stamp="$cache/venv-$1/.requirements"
  cmp -s "$requirements" "$stamp" && return
  echo "installing the Python packages of tests/$1" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$stamp"
}

prepare() {
  "$root/scripts/setup.sh" e2e
  "$root/scripts/setup.sh" contracts
  npm_ci "$tests"
  local arch; arch=$(node -p 'process.arch === "x64" ? "amd64" : process.arch')
  echo "compiling the tests' contracts" >&2
  (cd "$tests/foundry" && "$root/contracts/node_modules/@foundry-rs/forge-linux-$arch/bin/forge" build --quiet)
}

# One file after the other: the files of a suite share a node, and its clock. A node that a failed test left
# behind must not keep its file waiting.
node_test=(node --test --test-concurrency=1 --test-force-exit --test-reporter=spec)

# The command of a suite; each prints the closing lines of its test runner.
suite() {
  local name=$1
  case $name in
    foundry | js | keeper | examples | badinput)
      with_node "$name" "${node_test[@]}" "$tests/$name/" ;;
    amsterdam | engine | explorer | explain | restart | faults | sample) "${node_test[@]}" "$tests/$name/" ;;
    edge) python_venv python; EDGE_PYTHON="$cache/venv-python/bin/python" with_node edge "${node_test[@]}" "$tests/edge/" ;;
    dropin) npm_ci "$tests/dropin"; with_node dropin "${node_test[@]}" "$tests/dropin/dropin.test.mjs" ;;
    python) python_venv python; with_node python "$cache/venv-python/bin/python" "$tests/python/test_web3.py" ;;
    # Settings are read from the folder in which it is started.
    ape) python_venv ape; (cd "$tests/ape"; with_node ape "$cache/venv-ape/bin/python" test_ape.py) ;;
    hardhat3) (node24; npm_ci "$tests/hardhat3"; cd "$tests/hardhat3"
      with_node hardhat3 npx --no-install hardhat test --network ext) ;;
    hardhat3-ethers) (node24; npm_ci "$tests/hardhat3"; cd "$tests/hardhat3"
      with_node "$name" npx --no-install hardhat --config hardhat.ethers.config.ts test --network ext) ;;
    wallet) "$root/scripts/setup.sh" browser; npm_ci "$tests/wallet"; "${node_test[@]}" "$tests/wallet/" ;;
    fuzz) node "$tests/fuzz/fuzz.mjs" --seconds "${FUZZ_SECONDS:-10}" ${FUZZ_SEED:+--seed "$FUZZ_SEED"} ;;
    hardhat2) (npm_ci "$tests/hardhat2"; cd "$tests/hardhat2"
      with_node hardhat2 npx --no-install hardhat test --network ext) ;;
    *) echo "tests/run.sh: no suite $name" >&2; return 2 ;;
  esac
}

# A suite that is still running after this many seconds is ended, and has failed. It is a process group of its own,
# so that all that it started ends with it.
SUITE_SECONDS=$((${SUITE_SECONDS:-900} + ${FUZZ_SECONDS:-0}))
running=
trap '[ -z "$running" ] || kill -TERM -- "-$running" 2>/dev/null; exit 130' INT TERM
limited() {
  local watch status=0
  set -m
  suite "$1" &
  running=$!
  { sleep "$SUITE_SECONDS"; echo "$1: ended after $SUITE_SECONDS seconds"; kill -TERM -- "-$running"; } &
  watch=$!
  set +m
  wait "$running" || status=$?
  running=
  kill -TERM -- "-$watch" 2>/dev/null || true
  wait "$watch" 2>/dev/null || true
  return "$status"
}

with_node() { local name=$1; shift; node "$tests/lib/with-node.mjs" "$name" -- "$@"; }

# How many tests passed, failed, and were skipped or are still to do, from the closing lines of node:test, mocha or unittest.
counts() {
  awk '
    /^Ran [0-9]+ tests? in/ { passed += $2 }
    /^FAILED \(/ { while (match($0, /(failures|errors)=[0-9]+/)) {
        split(substr($0, RSTART, RLENGTH), part, "="); failed += part[2]; passed -= part[2]
        $0 = substr($0, RSTART + RLENGTH) } }
    /^ℹ pass [0-9]+/ { passed += $3 }
    /^ℹ (fail|cancelled) [0-9]+/ { failed += $3 }
    # Hardhat 3 says it once more for all runners together: "7 passing (7 mocha)".
    / mocha\)$/ { next }
    /^ *[0-9]+ passing/ { passed += $1 }
    /^ *[0-9]+ failing/ { failed += $1 }
    /^ℹ (todo|skipped) [0-9]+/ { open += $3 }
    END { print (passed > 0 ? passed : 0), failed + 0, open + 0 }' "$1"
}

prepare
total_passed=0 total_failed=0
for name in "${suites[@]}"; do
  log="$E2E_TMP/$name.log" began=$SECONDS status=0
  limited "$name" >"$log" 2>&1 || status=$?
  read -r passed failed open < <(counts "$log")
  # A suite that ran nothing, or ended badly without a failed test, has failed.
  if [ "$failed" = 0 ] && { [ "$passed" = 0 ] || [ "$status" != 0 ]; }; then failed=1; fi
  rest=; [ "$open" = 0 ] || rest=", $open skipped or to do"
  printf '%-15s %4d passed, %d failed%s (%d s)\n' "$name" "$passed" "$failed" "$rest" $((SECONDS - began))
  if [ "$failed" != 0 ]; then
    cut -c1-400 "$log" | sed -n '/^ℹ tests/,$p;/failing$/,$p;/^=====/,$p' | grep . | head -150 || true
    [ "$passed" = 0 ] && tail -20 "$log" | cut -c1-400
  fi
  total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
done

echo "$total_passed passed, $total_failed failed"
if [ "$total_failed" != 0 ]; then echo "logs: $E2E_TMP" >&2; exit 1; fi
rm -rf "$E2E_TMP"
