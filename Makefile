# Everything there is to type. `.ci/run` calls these targets and nothing else.
#   make run            builds and starts the gateway; ARGS goes to it: make run ARGS='--data /srv/gate'
#   make test           every test of the workspace
#   make check          format, lints, licences, bans, sources
#   make reference      writes the tables of REFERENCE.md and REFERENCE.ru.md from the code
#   make compare        races the gateway against nginx and HAProxy and writes what it came to into
#                       BENCHMARKS.md; ARGS goes to it: make compare ARGS='--rounds 9'
#   make bench          the figures of BENCHMARKS.md that need no gateway; then what to type for the rest
#   make deb            target/smarts-gateway_VERSION_ARCH.deb
#   make test-deb       installs, upgrades, removes and purges that package under a systemd of its own
#   make install        programs and services as built by `make build`; PREFIX, DESTDIR
#   make uninstall      takes them away again; configuration and data stay
SHELL := /bin/sh
CARGO ?= cargo
CONFIG ?= config/gateway.yaml
PROFILE ?= release
TARGET := $(or $(CARGO_TARGET_DIR),target)
BUILT := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
PREFIX ?= /usr/local
UNITS ?= $(PREFIX)/lib/systemd/system
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

.DEFAULT_GOAL := run
.PHONY: run build test check reference compare bench fmt clean install uninstall deb test-deb

build:
	@.ci/setup build
	$(CARGO) build --profile $(PROFILE) --locked -p gateway -p backend

run:
	@.ci/setup build
	$(CARGO) build --profile $(PROFILE) --locked -p gateway
	@exec $(BUILT)/gateway run --config $(CONFIG) $(ARGS)

test:
	@.ci/setup build test
	$(CARGO) nextest run --workspace --locked $(ARGS)

check:
	@.ci/setup build check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) deny --offline --locked check bans licenses sources

reference:
	@.ci/setup build test
	BLESS=1 $(CARGO) test --quiet --locked -p gateway -p backend -p loadtest --lib --bins reference

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

# Configuration that is there stays as it is. Nothing is built here: this is root's to type.
install:
	@test -x $(BUILT)/gateway -a -x $(BUILT)/backend || { echo 'first: make build' >&2; exit 1; }
	install -D -s -m 755 $(BUILT)/gateway $(DESTDIR)$(PREFIX)/bin/gateway
	install -D -s -m 755 $(BUILT)/backend $(DESTDIR)$(PREFIX)/libexec/smarts-gateway/backend
	install -d $(DESTDIR)$(UNITS)
	@for unit in smarts-gateway smarts-backend; do \
	    sed 's|@PREFIX@|$(PREFIX)|' config/systemd/$$unit.service > $(DESTDIR)$(UNITS)/$$unit.service; done
	install -D -m 644 config/systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/smarts-gateway.conf
	install -D -m 644 config/systemd/tmpfiles.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/smarts-gateway.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/smarts-gateway config/*.schema.json config/in-front.yaml
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/smarts-gateway README.md CHANGELOG.md LICENSE
	@if $(BUILT)/gateway completions bash > $(BUILT)/completions 2>/dev/null; then \
	    install -D -m 644 $(BUILT)/completions $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gateway; fi
	@for name in gateway backend; do \
	    file=$(DESTDIR)/etc/smarts-$$name/$$name.yaml; \
	    if [ -e $$file ]; then echo "$$file stays as it is"; continue; fi; \
	    install -d $(DESTDIR)/etc/smarts-$$name; \
	    sed -e "s|\./data|/var/lib/smarts-$$name|" -e 's|=\(gateway.schema.json\)|=$(PREFIX)/share/smarts-gateway/\1|' \
	        config/$$name.yaml > $$file; done
	@[ '$(DESTDIR)' ] || printf '\n%s\n' 'Now, to start it and at every start of this machine:' \
	    '  systemd-sysusers && systemd-tmpfiles --create' \
	    '  systemctl daemon-reload && systemctl enable --now smarts-gateway' \
	    '  cat /run/smarts-gateway/first-passwords'

uninstall:
	@[ '$(DESTDIR)' ] || ! command -v systemctl >/dev/null || systemctl disable --now smarts-gateway smarts-backend || true
	rm -f $(DESTDIR)$(PREFIX)/bin/gateway
	rm -rf $(DESTDIR)$(PREFIX)/libexec/smarts-gateway
	rm -f $(DESTDIR)$(UNITS)/smarts-gateway.service $(DESTDIR)$(UNITS)/smarts-backend.service
	rm -f $(DESTDIR)$(PREFIX)/lib/sysusers.d/smarts-gateway.conf $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/smarts-gateway.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/smarts-gateway $(DESTDIR)$(PREFIX)/share/doc/smarts-gateway
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/gateway
	@echo 'These stay: /etc/smarts-gateway /etc/smarts-backend /var/lib/smarts-gateway /var/lib/smarts-backend'

deb: build
	@PROFILE=$(PROFILE) VERSION=$(VERSION) config/debian/build $(BUILT)

test-deb:
	@.ci/setup build test
	@.ci/test-deb $(ARGS)

fmt:
	$(CARGO) fmt --all

clean:
	$(CARGO) clean
