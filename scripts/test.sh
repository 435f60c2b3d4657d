#!/usr/bin/env bash
# All tests, in the order in which they fail fastest.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

scripts/setup.sh test
scripts/setup.sh contracts
scripts/setup.sh e2e

step 'formatting'
cargo fmt --all --check
step 'contracts and genesis: rebuilding gives the checked-in bytes; forge and node tests'
scripts/contracts/check.sh
step 'clippy'
cargo clippy --workspace --all-targets --locked -- -D warnings
step 'release build'
cargo build --release --locked -p plasma-node-bin -p plasma-bench
step 'end to end with real tools'
tests/run.sh "$target/release/plasma-node"
step 'crash test'
KILLS="${KILLS:-30}" tests/crash.sh "$target/release/plasma-node"
if [ -n "${PLASMA_FIXTURES:-}" ]; then
  step 'state and blockchain tests of the fixtures'
  scripts/conformance.sh "$target/release/plasma-node" "$PLASMA_FIXTURES"
else
  echo 'state and blockchain tests of the fixtures: skipped, PLASMA_FIXTURES is not set'
fi
step 'unit and integration tests'
cargo nextest run --workspace --locked
