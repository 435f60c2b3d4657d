#!/usr/bin/env bash
# Installs what is missing for a purpose: build, contracts, test, e2e, browser. Says what it installs.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

apt_updated=
apt_install() {
  command -v apt-get >/dev/null || { echo "setup: please install: $*" >&2; exit 1; }
  if [ -z "$apt_updated" ]; then as_root apt-get update -qq; apt_updated=yes; fi
  echo "setup: installing $*" >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
}

need_command() { command -v "$1" >/dev/null || apt_install "$2"; }

need_rust() {
  need_command cc gcc
  need_command make make
  need_command pkg-config pkg-config
  need_command git git
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    echo "setup: add $HOME/.cargo/bin to PATH" >&2; exit 1
  fi
  if ! command -v cargo >/dev/null; then
    apt_install rustup
    rustup toolchain install 1.95 --profile minimal -c clippy -c rustfmt
    rustup default 1.95
  fi
}

need_node() {
  if ! command -v npm >/dev/null; then apt_install nodejs npm; fi
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  if [ "$major" -lt 20 ]; then
    echo "setup: Node 20 or newer is needed, found $(node --version)" >&2; exit 1
  fi
}

# Installs npm packages of a folder unless its lockfile is unchanged since the last time.
npm_ci() {
  local folder=$1 stamp
  stamp="$folder/node_modules/.plasma-lock"
  if ! cmp -s "$folder/package-lock.json" "$stamp"; then
    echo "setup: npm packages of $folder" >&2
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
    cp "$folder/package-lock.json" "$stamp"
  fi
}

case "${1:-build}" in
  build) need_rust ;;
  contracts) need_node; npm_ci contracts ;;
  test)
    need_rust
    command -v cargo-nextest >/dev/null || {
      echo "setup: cargo-nextest" >&2
      cargo install cargo-nextest --locked
    }
    ;;
  e2e)
    need_node
    need_command python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    need_command curl curl
    ;;
  browser) [ -n "${CHROMIUM:-}" ] || need_command chromium chromium ;;
  *) echo "setup: unknown purpose $1" >&2; exit 2 ;;
esac
