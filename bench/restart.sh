#!/usr/bin/env bash
# From the start of a node that was killed with -9 to its first JSON-RPC answer.
# Usage: [ACCOUNTS=1000000] [BLOCKS=100000] [ROUNDS=5] [WORK=FOLDER] bench/restart.sh RELEASE_DIR
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: bench/restart.sh RELEASE_DIR" >&2; exit 2; }
node=$(realpath "$1")/plasma-node
accounts=${ACCOUNTS:-1000000} blocks=${BLOCKS:-100000} rounds=${ROUNDS:-5} port=${PORT:-18546}
work=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/plasma-restart.XXXXXX")
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$work"' EXIT

rpc() {
  curl -sf -m 600 -H 'content-type: application/json' \
    -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":[$2]}" "http://127.0.0.1:$port"
}
now_ms() { date +%s%3N; }
# Starts the node and prints the milliseconds until it answers.
start() {
  local begun; begun=$(now_ms)
  "$node" node --dev --no-keeper --datadir "$work/data" --http.port "$port" >"$work/log" 2>&1 &
  pid=$!
  until rpc eth_blockNumber '' >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.01
  done
  took=$(($(now_ms) - begun))
}

python3 - "$accounts" >"$work/genesis.json" <<'PY'
import hashlib, json, sys
alloc = {hashlib.sha256(str(n).encode()).hexdigest()[:40]: {"balance": "0xde0b6b3a7640000"} for n in range(int(sys.argv[1]))}
forks = ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul", "berlin", "london"]
config = {"chainId": 31337, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": True,
          "shanghaiTime": 0, "cancunTime": 0, **{fork + "Block": 0 for fork in forks}}
json.dump({"config": config, "alloc": alloc, "difficulty": "0x0", "gasLimit": "0x1c9c380", "timestamp": "0x1", "nonce": "0x0",
           "extraData": "0x", "baseFeePerGas": "0x3b9aca00", "coinbase": "0x" + "0" * 40}, sys.stdout)
PY
"$node" init --datadir "$work/data" "$work/genesis.json" >&2
start
for ((mined = 0; mined < blocks; mined += 5000)); do
  left=$((blocks - mined)); rpc anvil_mine "\"0x$(printf %x $((left < 5000 ? left : 5000)))\",\"0x1\"" >/dev/null
done
echo "$accounts accounts, $blocks blocks; limit 2000 ms"
for ((round = 1; round <= rounds; round++)); do
  { kill -9 "$pid"; wait "$pid"; } 2>/dev/null || true
  start
  head=$(rpc eth_blockNumber "" | grep -o "0x[0-9a-f]*")
  echo "restart $round: $took ms, head $((head))"
done
