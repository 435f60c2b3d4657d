#!/usr/bin/env bash
# The built-in keeper beside a naive one outside of the node, how its work grows, and how soon upkeeps are performed.
#
#   bench/keeper.sh [--large] [--write] [TARGET_RELEASE_DIR]
#
# --large  1,000,000 registered upkeeps, too (memory for them all, twice)
# --write  put the tables into bench/RESULTS.md
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
counts=1000,10000,100000 write=false release= command=bench/keeper.sh
for argument in "$@"; do
  case $argument in
    --large) counts=$counts,1000000 command+=" --large" ;;
    --write) write=true ;;
    -*) echo "bench/keeper.sh: unknown option $argument; see the head of the file" >&2; exit 2 ;;
    *) release=$argument ;;
  esac
done
release=$(cd "${release:-$root/target/release}" && pwd)
plasma=$release/plasma-node bench=$release/plasma-bench
for binary in "$plasma" "$bench"; do
  [[ -x $binary ]] || { echo "bench/keeper.sh: $binary is missing; type 'make build' first" >&2; exit 1; }
done

port=${BENCH_PORT:-18555} metrics_port=${BENCH_METRICS_PORT:-18556}
gas_limit=1200000000
upkeeps=400,3000 rare_upkeeps=3000 blocks=20
work=$(mktemp -d "${TMPDIR:-/tmp}/plasma-keeper.XXXXXX")
node_pid=
stop() {
  [[ -z $node_pid ]] && return
  kill "$node_pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$node_pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$node_pid" 2>/dev/null || true
  wait "$node_pid" 2>/dev/null || true
  node_pid=
}
trap 'stop; rm -rf "$work"' EXIT

rpc() {
  curl -sf -m 10 -H 'content-type: application/json' \
    -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":[$2]}" "http://127.0.0.1:$port"
}

# start OPTIONS: starts a node with a block per second and raises its gas limit.
start() {
  rm -rf "$work/data"
  "$plasma" node --dev --block-time 1s --gas-limit "$gas_limit" --datadir "$work/data" --http.port "$port" \
    --metrics "127.0.0.1:$metrics_port" "$@" >"$work/node.log" 2>&1 &
  node_pid=$!
  for _ in $(seq 300); do
    if rpc eth_blockNumber '' >/dev/null 2>&1; then
      rpc evm_setBlockGasLimit "\"$(printf '0x%x' "$gas_limit")\"" >/dev/null
      return
    fi
    kill -0 "$node_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "bench/keeper.sh: the node does not answer on port $port:" >&2
  tail -5 "$work/node.log" >&2
  exit 1
}

# note_load NAME: remembers how busy the machine is before a part.
loads=
note_load() {
  local now
  now=$(cut -d' ' -f1 /proc/loadavg)
  echo "$1: load average $now" >&2
  loads+="${loads:+, }$1 $now"
}

# load NAME PHASE ARGUMENTS: runs a phase against the node.
load() {
  local name=$1 phase=$2
  shift 2
  note_load "$name"
  (cd "$root" && timeout 600 "$bench" load --json --url "http://127.0.0.1:$port" --pid "$node_pid" --accounts 4 --phases "$phase" \
    --perform-blocks "$blocks" "$@") >"$work/$name.json"
}

note_load index
timeout 1800 "$bench" keeper --json --upkeeps "$counts" >"$work/index.json"
always=(--upkeeps "$upkeeps") rare=(--upkeeps "$rare_upkeeps" --perform-every 20)
start
load built-in performs "${always[@]}"
load built-in-rare performs "${rare[@]}"
stop
start --no-keeper
load naive naive-keeper "${always[@]}"
load naive-rare naive-keeper "${rare[@]}"
stop
start --no-keeper
load naive-latest naive-keeper --check-at latest "${always[@]}"
load naive-latest-rare naive-keeper --check-at latest "${rare[@]}"
stop
start
load due due --metrics-url "http://127.0.0.1:$metrics_port/metrics"
stop

# beside NAME: the built-in keeper's figures beside those of another; rows are held against rows of the same name.
beside() {
  local part
  for part in "$1" "$1-rare"; do
    sed 's/"name":"naive-keeper-/"name":"performs-/g' "$work/$part.json" >"$work/$part-renamed.json"
  done
  "$bench" compare "$work/built-in.json" "$work/built-in-rare.json" --name built-in \
    --baseline "$work/$1-renamed.json" --baseline "$work/$1-rare-renamed.json" --baseline-name naive | grep -v '^| memory '
}
machine=$(sed -n 's/^{"machine":"\([^"]*\)".*/\1/p' "$work/index.json")
{
  echo "Machine: $machine. Date: $(date -u +%Y-%m-%d). Command: \`$command\`. Load average before each part (much above 0"
  echo "means that others used the machine, too): $loads."
  echo
  echo "### Beside a naive keeper that asks about the block being made"
  echo
  beside naive
  echo
  echo "### Beside a naive keeper that asks about the latest block"
  echo
  beside naive-latest
  echo
  echo "### From due to performed"
  echo
  "$bench" compare "$work/due.json"
  echo
  echo "### How the work grows"
  echo
  "$bench" compare --wide "$work/index.json"
} >"$work/keeper.md"
cat "$work/keeper.md"
if $write; then
  awk -v file="$work/keeper.md" '
    !inside { print }
    $0 == "<!-- keeper:begin -->" { inside = 1; print ""; while ((getline line < file) > 0) print line; print "" }
    $0 == "<!-- keeper:end -->" { inside = 0; print }
  ' "$here/RESULTS.md" >"$work/RESULTS.md"
  cp "$work/RESULTS.md" "$here/RESULTS.md"
fi
