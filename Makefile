# Plasma: everything a newcomer needs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
DATADIR ?= .cache/run
TARGET := $(or $(CARGO_TARGET_DIR),target)

.PHONY: help setup build run test test-rust test-contracts test-e2e test-tools fuzz-rpc crash-test conformance fuzz-parallel lint fmt bench soak clean

help: ## This list.
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 22

setup: ## Install what building needs (apt, cargo, npm).
	@scripts/setup.sh build

build: setup ## Build the release binaries.
	cargo build --release --locked -p plasma-node-bin -p plasma-bench

run: build ## Start a development node and deploy the sample upkeeps.
	@scripts/setup.sh contracts
	@PLASMA_DATADIR=$(DATADIR) scripts/run.sh $(TARGET)/release/plasma-node

test: ## All tests: formatting, lints, unit, integration, contracts, end to end with real tools.
	@scripts/test.sh

test-rust: ## Unit and integration tests only.
	@scripts/setup.sh test
	cargo nextest run --workspace --locked

test-contracts: ## Solidity and genesis tests, and that rebuilding gives the checked-in bytes.
	@scripts/setup.sh contracts
	@scripts/contracts/check.sh

test-e2e: build ## End-to-end tests with forge, cast, Hardhat, ethers, viem, web3.js, wagmi and web3.py.
	@tests/run.sh $(TARGET)/release/plasma-node

test-tools: build ## The same tools and more, the large ones too: eth-ape, Hardhat 2, a wallet's page in a browser.
	@tests/tools.sh $(TARGET)/release/plasma-node

fuzz-rpc: build ## Random requests against a node that others use, for 10 minutes (FUZZ_SECONDS=..., FUZZ_SEED=...).
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} tests/run.sh $(TARGET)/release/plasma-node fuzz

crash-test: build ## Kill a loaded node with -9 at 300 random moments and count what was lost.
	@KILLS=$${KILLS:-300} tests/crash.sh $(TARGET)/release/plasma-node

conformance: build ## State, blockchain and engine tests of the folder PLASMA_FIXTURES, held against the known failures.
	@scripts/conformance.sh $(TARGET)/release/plasma-node "$${PLASMA_FIXTURES:?set it to the folder of the fixtures}"

fuzz-parallel: ## Hold a million random transactions in parallel against one by one (PLASMA_FUZZ_TRANSACTIONS, PLASMA_FUZZ_SEED).
	PLASMA_FUZZ_TRANSACTIONS=$${PLASMA_FUZZ_TRANSACTIONS:-1000000} cargo test -p plasma-parallel --lib --locked -- \
		--exact tests::fuzz::generated_batches_equal_sequential --nocapture

lint: ## Formatting and clippy, warnings denied.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

fmt: ## Format the sources.
	cargo fmt --all

bench: build ## Load figures against this machine, beside anvil.
	@bench/run.sh $(TARGET)/release

soak: build ## A steady load for 30 minutes (MINUTES=...); figures and a plot go to docs/.
	@node bench/soak/soak.mjs --minutes $${MINUTES:-30} --release $(TARGET)/release

clean: ## Remove build output and the sample node's data.
	cargo clean
	rm -rf .cache
