#!/usr/bin/env bash
# Starts a development node, deploys the sample upkeeps once, and stays until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
node_binary=$1
datadir=${PLASMA_DATADIR:-.cache/run}
port=${PORT:-8545}
mkdir -p "$datadir"

"$node_binary" node --dev --datadir "$datadir" --http.port "$port" &
node_pid=$!
stop() { kill -INT "$node_pid" 2>/dev/null || true; wait "$node_pid" || true; }
trap stop INT TERM

# The node says itself why it ended, so a failure here needs no second sentence.
export PLASMA_RPC_URL="http://127.0.0.1:$port"
until "$node_binary" keeper list >/dev/null 2>&1; do
  kill -0 "$node_pid" 2>/dev/null || { wait "$node_pid"; exit 1; }
  sleep 0.1
done
node scripts/deploy-samples.mjs "$node_binary"
wait "$node_pid"
