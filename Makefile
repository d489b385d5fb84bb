# The commands of this project. Each recipe is one line; what it does stands in deploy/dev.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# What may be set: `make run ADDR=127.0.0.1:9000`. The scripts read them from the environment.
export ADDR ?= 127.0.0.1:8080
export DATA_DIR ?= .data
export RELEASE ?= 0

.PHONY: help run test check bench seeds generate clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: ## start Almoner with a sample shop on ADDR (127.0.0.1:8080), data in DATA_DIR (.data); RELEASE=1 for an optimised build
	@deploy/dev/run.sh

test: ## everything that CI checks, against a throw-away PostgreSQL
	@deploy/dev/test.sh

check: ## the quick part of test: format, lints, tidiness
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace --test tidy

bench: ## measurements; BENCH=decision, journal or load for one of them
	@benches/run.sh

seeds: ## plant each seeded bug in a copy and see that its test fails; needs DATABASE_URL_TEST
	cargo run --bin seeds

generate: ## write the generated files anew (OpenAPI, configuration reference)
	cargo build --workspace --bins --tests
	@deploy/dev/generated.sh write

clean: ## remove what builds made; data in DATA_DIR stays
	cargo clean
