# Everything there is to type. `.ci/run` calls these targets and nothing else.
#   make run            builds and starts the gateway; ARGS goes to it: make run ARGS='--data /srv/gate'
#   make test           every test of the workspace
#   make check          format, lints, licences, bans, sources
#   make compare        races the gateway against nginx and HAProxy and writes what it came to into
#                       BENCHMARKS.md; ARGS goes to it: make compare ARGS='--rounds 9'
#   make bench          the figures of BENCHMARKS.md that need no gateway; then what to type for the rest
SHELL := /bin/sh
CARGO ?= cargo
CONFIG ?= config/gateway.yaml
TARGET := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := run
.PHONY: run build test check compare bench fmt clean

build:
	@.ci/setup build
	$(CARGO) build --release --locked -p gateway

run: build
	@exec $(TARGET)/release/gateway run --config $(CONFIG) $(ARGS)

test:
	@.ci/setup build test
	$(CARGO) nextest run --workspace --locked $(ARGS)

check:
	@.ci/setup build check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) deny --offline --locked check bans licenses sources

compare:
	@.ci/setup build compare
	$(CARGO) build --release --locked -p gateway -p loadtest
	$(TARGET)/release/loadtest compare --json loadtest/compare.json --svg loadtest/compare.svg $(ARGS) \
		>$(TARGET)/compare.md
	@sed -i -e '/<!-- compare:begin/,/compare:end -->/{//!d}' \
		-e '/<!-- compare:begin/r $(TARGET)/compare.md' BENCHMARKS.md
	@cat $(TARGET)/compare.md

bench:
	@.ci/setup build
	$(CARGO) bench --locked -p gateway-policy --bench lists --bench memory
	@echo; echo 'cargo build --release --locked -p gateway -p loadtest'
	@awk '/^## /{on = /Under attack/} on && /^```/{code = !code; next} on && code' BENCHMARKS.md

fmt:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean
