#!/usr/bin/env bash
# Puts the same load on plasma-node and on anvil, one after the other, and prints the figures side by side.
#
#   bench/run.sh [--json] [--write] [TARGET_RELEASE_DIR]
#
# --json   print one JSON report (Plasma's rows with their ratios to anvil, and the executor's) instead of tables
# --write  put the tables into bench/RESULTS.md
#
# The executor's figures include real blocks where PLASMA_FIXTURES names a folder with mainnet-blocks/.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
json=false write=false release=
for argument in "$@"; do
  case $argument in
    --json) json=true ;;
    --write) write=true ;;
    -*) echo "bench/run.sh: unknown option $argument; see the head of the file" >&2; exit 2 ;;
    *) release=$argument ;;
  esac
done
release=$(cd "${release:-$root/target/release}" && pwd)
plasma=$release/plasma-node bench=$release/plasma-bench
for binary in "$plasma" "$bench"; do
  [[ -x $binary ]] || { echo "bench/run.sh: $binary is missing; type 'make build' first" >&2; exit 1; }
done
anvil=$here/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil
uniswap=$here/node_modules/@uniswap/v3-core
[[ -x $anvil && -d $uniswap ]] || (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund >&2)

port=${BENCH_PORT:-18545}
gas_limit=2000000000
work=$(mktemp -d "${TMPDIR:-/tmp}/plasma-bench.XXXXXX")
node_pid=
stop() {
  [[ -z $node_pid ]] && return
  kill "$node_pid" 2>/dev/null || true
  # A node that collapsed under the load does not always end when asked.
  for _ in $(seq 50); do kill -0 "$node_pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$node_pid" 2>/dev/null || true
  wait "$node_pid" 2>/dev/null || true
  node_pid=
}
trap 'stop; rm -rf "$work"' EXIT

# Starts a node (the command given) and waits until it listens.
start() {
  "$@" >"$work/node.log" 2>&1 &
  node_pid=$!
  for _ in $(seq 300); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
    kill -0 "$node_pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "bench/run.sh: $1 does not listen on port $port:" >&2
  tail -5 "$work/node.log" >&2
  exit 1
}

start_plasma() {
  rm -rf "$work/data"
  start "$plasma" node --dev --genesis "$work/genesis.json" --gas-limit "$gas_limit" \
    --datadir "$work/data" --http.port "$port" "$@"
}

start_anvil() {
  start "$anvil" --silent --port "$port" --gas-limit "$gas_limit" "$@"
}

# load NAME ARGUMENTS: loads the running node, then ends it.
load() {
  local name=$1
  shift
  echo "$name" >&2
  (cd "$root" && timeout 600 "$bench" load --json --url "http://127.0.0.1:$port" --pid "$node_pid" "$@") >"$work/$name.json"
  stop
}

# The development genesis with the gas limit that anvil is given too.
sed "s/\"gasLimit\": \"0x[0-9a-f]*\"/\"gasLimit\": \"$(printf '0x%x' "$gas_limit")\"/" "$root/genesis/dev.json" >"$work/genesis.json"
load_before=$(cut -d' ' -f1 /proc/loadavg)

start_plasma --block-time 1s
load plasma-interval
start_anvil --block-time 1
load anvil-interval

small=(--label instant- --phases latency,sync,transfer,token --transfers 1000 --tokens 1000)
start_plasma
load plasma-instant "${small[@]}"
start_anvil
load anvil-instant "${small[@]}"

start_plasma
load plasma-burst --label instant-burst- --phases transfer,transfer-batch,token,token-batch

start_plasma --block-time 1s
load plasma-performs --phases performs --upkeeps 50,400

echo executor >&2
executor=("$bench" executor --threads "1,$(nproc)" --uniswap "$uniswap")
[[ -d ${PLASMA_FIXTURES:-}/mainnet-blocks ]] && executor+=(--blocks "$PLASMA_FIXTURES/mainnet-blocks")
timeout 600 "${executor[@]}" --json >"$work/executor.json"

plasma_reports=("$work/plasma-interval.json" "$work/plasma-instant.json" "$work/plasma-burst.json" "$work/plasma-performs.json")
if $json; then
  "$bench" compare --json "${plasma_reports[@]}" "$work/executor.json" \
    --baseline "$work/anvil-interval.json" --baseline "$work/anvil-instant.json"
fi

machine=$(sed -n 's/^{"machine":"\([^"]*\)".*/\1/p' "$work/executor.json")
circumstances="Machine: $machine. Date: $(date -u +%Y-%m-%d). Command: \`bench/run.sh\`. Load average before the run: $load_before
(much above 0 means that others used the machine, too: then \`node_cpu_s\` and ratios tell more than rates)."
{
  echo "$circumstances"
  echo
  echo "### A block per second (\`plasma-node node --dev --block-time 1s\`, \`anvil --block-time 1\`)"
  echo
  "$bench" compare "$work/plasma-interval.json" --baseline "$work/anvil-interval.json" --baseline-name anvil
  echo
  echo "### Mining on demand (\`plasma-node node --dev\`, \`anvil\`), bursts of 1,000"
  echo
  "$bench" compare "$work/plasma-instant.json" --baseline "$work/anvil-instant.json" --baseline-name anvil
  echo
  echo "### Mining on demand, whole bursts (Plasma alone: anvil did not finish a burst of 2,000 in 200 s)"
  echo
  "$bench" compare "$work/plasma-burst.json"
  echo
  echo "### Upkeeps due in every block (\`--block-time 1s\`; Plasma alone)"
  echo
  "$bench" compare "$work/plasma-performs.json"
} >"$work/load.md"
{
  echo "$circumstances"
  echo
  "$bench" compare --wide "$work/executor.json"
} >"$work/executor.md"
$json || cat "$work/load.md" "$work/executor.md"
# write SECTION: puts $work/SECTION.md between its marks in RESULTS.md.
write_section() {
  awk -v section="$1" -v file="$work/$1.md" '
    !inside { print }
    $0 == "<!-- " section ":begin -->" { inside = 1; print ""; while ((getline line < file) > 0) print line; print "" }
    $0 == "<!-- " section ":end -->" { inside = 0; print }
  ' "$here/RESULTS.md" >"$work/RESULTS.md"
  cp "$work/RESULTS.md" "$here/RESULTS.md"
}
if $write; then
  write_section load
  write_section executor
fi
