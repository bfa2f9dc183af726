# Everything that one does with a checkout. `make demo` and `make test` need nothing done before them.
#
# The DuckDB library is linked, not compiled: .ci/duckdb fetches the pinned official build once, and says which flags
# cargo needs (none, or `--features bundled`). FEATURES=bundled asks for the compiled one.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

FEATURES ?=
export FEATURES

# $(call cargo,COMMAND [, ARGUMENTS AFTER --])
cargo = flags=$$(.ci/duckdb) && cargo $(1) --locked $$flags $(2)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## build, and audit the sample organisation
	@.ci/tools cargo cc npm
	@$(call cargo,run,-- demo)

.PHONY: test
test: ## all tests
	@.ci/tools cargo cc npm python3
	@$(call cargo,test --workspace --no-fail-fast,$(ARGS))

.PHONY: build
build: ## target/release/changetrail and its library
	@.ci/tools cargo cc npm
	@$(call cargo,build --release)

.PHONY: lint
lint: ## formatting, clippy, documentation, shell scripts
	@.ci/tools cargo cc npm
	cargo fmt --check --package changetrail --package changetrail-connectors
	@$(call cargo,clippy --workspace --all-targets,-- -D warnings)
	@export RUSTDOCFLAGS='-D warnings'; $(call cargo,doc --workspace --no-deps --document-private-items)
	@if command -v shellcheck >/dev/null; then \
	    shellcheck $$(grep -lsE '^#!.*\bbash|^#!.*\bsh' .ci/* localstack/* tests/wordpress/*); \
	else \
	    echo 'shellcheck is not installed: the shell scripts were not checked' >&2; \
	fi

.PHONY: deny
deny: ## licences, sources and advisories of the dependencies (needs cargo-deny)
	cargo deny --locked check

.PHONY: bench
bench: ## figures: the audit of 200,000 events beside DuckDB's own JSON reader
	@.ci/tools cargo cc npm python3
	python3 benches/audit.py $(BENCH)

.PHONY: clean
clean: ## remove what was built and fetched
	cargo clean
	rm -rf .duckdb
