#!/usr/bin/env bash
# Kills a loaded node with -9 at random moments and counts what was lost. Usage: [KILLS=300] [SEED=n] tests/crash.sh BINARY
set -euo pipefail
tests=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$tests")
[ $# -eq 1 ] || { echo "usage: tests/crash.sh BINARY" >&2; exit 2; }
PLASMA_BINARY=$(realpath "$1")
E2E_TMP="$root/.cache/e2e/crash.$$"
mkdir -p "$E2E_TMP"
export PLASMA_BINARY E2E_TMP
"$root/scripts/setup.sh" e2e
"$root/scripts/setup.sh" contracts
stamp="$tests/node_modules/.plasma-lock"
if ! cmp -s "$tests/package-lock.json" "$stamp"; then
  (cd "$tests" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
  cp "$tests/package-lock.json" "$stamp"
fi
arch=$(node -p 'process.arch === "x64" ? "amd64" : process.arch')
(cd "$tests/foundry" && "$root/contracts/node_modules/@foundry-rs/forge-linux-$arch/bin/forge" build --quiet)
node "$tests/crash/crash.mjs"
rm -rf "$E2E_TMP"
