#!/usr/bin/env bash
# What people use with a node, all of it: also the tools that are too large for every run of the end-to-end tests.
# Usage: tests/tools.sh BINARY [SUITE...]
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: tests/tools.sh BINARY [SUITE...]" >&2; exit 2; }
binary=$1; shift
suites=("$@")
[ $# -gt 0 ] || suites=(foundry js python ape hardhat2 hardhat3 hardhat3-ethers wallet)
exec "$(dirname "$0")/run.sh" "$binary" "${suites[@]}"
