#!/usr/bin/env bash
# What clients ask for most, on plasma-node beside anvil and Hardhat 3's node: one after the other, each with the same content
# on its chain and the same load. The last column is Plasma's figure against the better of the others.
#
#   bench/rpc.sh [--short] [--write] [TARGET_RELEASE_DIR]
#
# --short  2 s for each kind of call instead of 10, 5 s of the steady load, 200 subscribers: to try the script out
# --write  put the table into bench/RESULTS.md
#
# PLASMA_NODE and PLASMA_BENCH name other programs than those of the directory.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
write=false release= command=bench/rpc.sh seconds=10 steady=20 subscribers=1000 events=20
for argument in "$@"; do
  case $argument in
    --short) seconds=2 steady=5 subscribers=200 events=5 command+=" --short" ;;
    --write) write=true ;;
    -*) echo "bench/rpc.sh: unknown option $argument; see the head of the file" >&2; exit 2 ;;
    *) release=$argument ;;
  esac
done
release=${release:-$root/target/release}
plasma=$(realpath "${PLASMA_NODE:-$release/plasma-node}") bench=$(realpath "${PLASMA_BENCH:-$release/plasma-bench}")
for binary in "$plasma" "$bench"; do
  [[ -x $binary ]] || { echo "bench/rpc.sh: $binary is missing; type 'make build' first" >&2; exit 1; }
done
# A socket for each subscriber, in the node and in the generator.
ulimit -n 8192 2>/dev/null || ulimit -n "$(ulimit -Hn)"

npm_ci() { cmp -s "$1/package-lock.json" "$1/node_modules/.plasma-lock" || {
  (cd "$1" && npm ci --no-audit --no-fund >&2); cp "$1/package-lock.json" "$1/node_modules/.plasma-lock"; }; }
anvil=$here/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
[[ -x $anvil ]] || (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund >&2)
# Hardhat 3 and the Node.js that it needs are those of the end-to-end tests. npm must run under it to find its native parts.
npm_ci "$root/tests/node24"
node24=$root/tests/node24/node_modules/.bin
(PATH=$node24:$PATH; npm_ci "$root/tests/hardhat3")

port=${BENCH_PORT:-18565}
work=$(mktemp -d "${TMPDIR:-/tmp}/plasma-rpc.XXXXXX")
node_pid=
stop() {
  [[ -z $node_pid ]] && return
  kill "$node_pid" 2>/dev/null || true
  for _ in $(seq 50); do kill -0 "$node_pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$node_pid" 2>/dev/null || true
  wait "$node_pid" 2>/dev/null || true
  node_pid=
}
trap 'stop; rm -rf "$work"' EXIT

# start COMMAND...: starts a node and waits until it answers.
start() {
  "$@" >"$work/node.log" 2>&1 &
  node_pid=$!
  for _ in $(seq 600); do
    if curl -sf -m 5 -o "$work/answer" -H 'content-type: application/json' \
      -d '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}' "http://127.0.0.1:$port" 2>/dev/null; then return; fi
    kill -0 "$node_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "bench/rpc.sh: $1 does not answer on port $port:" >&2
  tail -5 "$work/node.log" >&2
  exit 1
}
start_plasma() { rm -rf "$work/data"; start "$plasma" node --dev --datadir "$work/data" --http.port "$port" "$@"; }
start_anvil() { start "$anvil" --silent --port "$port" --gas-limit 250000000 "$@"; }
start_hardhat() {
  # Without the wrapper of npx, so that the process is the node itself.
  cd "$root/tests/hardhat3"
  start "$node24/node" node_modules/hardhat/dist/src/cli.js node --port "$port"
  cd - >/dev/null
}

# load NAME ARGUMENTS: loads the running node; a phase that it does not get through leaves its rows out.
load() {
  local name=$1
  shift
  echo "$name" >&2
  timeout 900 "$bench" load --json --url "http://127.0.0.1:$port" --pid "$node_pid" "$@" >"$work/$name.json" ||
    { echo "$name: not measured" >&2; rm -f "$work/$name.json"; }
}

load_before=$(cut -d' ' -f1 /proc/loadavg)
for node in plasma anvil hardhat; do
  "start_$node"
  load "$node-queries" --phases queries --read-seconds "$seconds"
  load "$node-subscribers" --phases subscribers --subscribers "$subscribers" --events "$events" --seed subscribers
  stop
done
# Without this option its default tracer sees no steps; with it every execution is slower, so that the rest is measured without.
start_anvil --steps-tracing
load anvil-traces --phases queries --read-seconds "$seconds" --queries debug_traceTransaction
stop
start_plasma --block-time 1s --tick 100ms
load plasma-sync --phases sync --rate 200 --steady-seconds "$steady"
stop
start_anvil --block-time 1
load anvil-sync --phases sync --rate 200 --steady-seconds "$steady"
stop

machine=$(sed -n 's/^{"machine":"\([^"]*\)".*/\1/p' "$work/plasma-queries.json")
{
  echo "Machine: $machine. Date: $(date -u +%Y-%m-%d). Command: \`$command\`. Load average before the run: $load_before
(much above 0 means that others used the machine, too: then \`node_cpu_s\` and ratios tell more than rates)."
  echo
  node "$here/rpc-table.mjs" "$work" plasma anvil hardhat
} >"$work/rpc.md"
cat "$work/rpc.md"
if $write; then
  awk -v section=rpc -v file="$work/rpc.md" '
    !inside { print }
    $0 == "<!-- " section ":begin -->" { inside = 1; print ""; while ((getline line < file) > 0) print line; print "" }
    $0 == "<!-- " section ":end -->" { inside = 0; print }
  ' "$here/RESULTS.md" >"$work/RESULTS.md"
  cp "$work/RESULTS.md" "$here/RESULTS.md"
fi
