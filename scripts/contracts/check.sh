#!/usr/bin/env bash
# Checks the Solidity side: the checked-in artifacts and genesis file are what their sources give, and all tests pass.
set -euo pipefail
cd "$(dirname "$0")/../.."

for folder in contracts genesis; do
  echo "== $folder"
  # Installs exactly what the lock file says; the packages' install scripts are not needed.
  [ -d "$folder/node_modules" ] || npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund
  npm run --silent --prefix "$folder" check
  npm test --silent --prefix "$folder"
done
