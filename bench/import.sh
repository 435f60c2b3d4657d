#!/usr/bin/env bash
# Measures `plasma-node import`: a chain of transfers and ERC-20 transfers is made by a node, exported,
# and imported into empty data directories; beside it, anvil mines the same load.
#
#   bench/import.sh [TARGET_RELEASE_DIR]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
release=$(cd "${1:-$root/target/release}" && pwd)
plasma=$release/plasma-node bench=$release/plasma-bench
anvil=$here/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
[[ -x $anvil ]] || (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund >&2)
port=${BENCH_PORT:-18547}
work=$(mktemp -d "${TMPDIR:-/tmp}/plasma-import.XXXXXX")
node_pid=
stop() {
  [[ -z $node_pid ]] && return
  kill "$node_pid" 2>/dev/null || true
  wait "$node_pid" 2>/dev/null || true
  node_pid=
}
trap 'stop; rm -rf "$work"' EXIT

load() {
  "$@" >"$work/node.log" 2>&1 &
  node_pid=$!
  for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
  (cd "$root" && "$bench" load --json --url "http://127.0.0.1:$port" --pid "$node_pid" \
    --phases transfer,token --transfers 40000 --tokens 40000) >"$work/report.json"
  stop
}

sed 's/"gasLimit": "0x[0-9a-f]*"/"gasLimit": "0x77359400"/' "$root/genesis/dev.json" >"$work/genesis.json"
load "$anvil" --silent --port "$port" --gas-limit 2000000000 --block-time 1
python3 - "$work/report.json" <<'PYTHON'
import json, sys
for row in json.load(open(sys.argv[1]))["rows"]:
    if "mined_per_s" in row:
        print(f"anvil mines {row['name']}: {row['mined_per_s']:.0f} transactions/s")
PYTHON
load "$plasma" node --dev --genesis "$work/genesis.json" --gas-limit 2000000000 --datadir "$work/made" \
  --http.port "$port" --block-time 1s
cp "$work/made/genesis.json" "$work/genesis.json"
"$plasma" export --datadir "$work/made" "$work/chain.rlp" >/dev/null
for executor in parallel sequential; do
  "$plasma" init --datadir "$work/$executor" "$work/genesis.json" >/dev/null
  printf 'plasma-node import --executor %s: ' "$executor"
  /usr/bin/env bash -c 'TIMEFORMAT="  %U s user, %S s system"; time "$@" 2>&1 | sed -n "s/^.*chain.rlp: //p"' _ \
    "$plasma" import --executor "$executor" --datadir "$work/$executor" "$work/chain.rlp"
done
