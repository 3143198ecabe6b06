# The two commands are `make serve` and `make test`; each is complete on a fresh Debian 12.
# `make help` lists the rest. Steps that install anything live in tools/setup.py.

PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
PORT   ?= 8000
# Two more than there are cores: of three on two cores a quarter of the processors' time was left.
JOBS   ?= $(shell echo $$(($$(nproc 2> /dev/null || echo 2) + 2)))
BIN    := .venv/bin
CODE   := src tests tools $(if $(wildcard bench/*.py),bench)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# The places are settled by this file, whatever the caller's shell has active.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Without compiled modules every start of a program takes three times as long, and tests start many.
unexport PYTHONDONTWRITEBYTECODE

##@ The two commands
.PHONY: serve test
serve: ## install what is missing, then serve on http://127.0.0.1:8000 (PORT=…)
	@$(PYTHON) tools/setup.py serve
	@exec $(BIN)/guzheng serve --port $(PORT)

test: ready lint ## install what is missing, then lint and run every test (ARGS=… for pytest)
	@$(BIN)/python tools/tests.py -n $(JOBS) --dist loadgroup $(ARGS)

##@ Parts of `make test`
.PHONY: ready lint fmt types arch
ready: ## install what the tests need, and nothing else
	@$(PYTHON) tools/setup.py test

lint: | $(BIN)/ruff ## ruff, formatting, types, architecture, beside each other
	@$(BIN)/python tools/lint.py $(CODE)

fmt: | $(BIN)/ruff ## put the code in the one format, and fix what ruff can fix safely
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

types: | $(BIN)/ruff ## mypy strict everywhere; pyright strict on proof/, as an expert's editor shows it; tsc
	$(BIN)/mypy $(CODE)
	$(BIN)/pyright
	@$(BIN)/python tools/frontend.py --types

arch: | $(BIN)/ruff ## the one-way road, the pure kernel, the programs that stand alone
	$(BIN)/lint-imports --no-logo

$(BIN)/ruff:
	@$(PYTHON) tools/setup.py test

##@ Longer looks
.PHONY: soak bench sizes
soak: ## property tests, fuzzing and the corpus for as long as it takes (about an hour); installs what it needs
	@$(PYTHON) tools/setup.py soak
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup --hypothesis-profile=soak --timeout=3600 $(ARGS)

bench: ready ## the figures of docs/performance.md, as ratios in one run
	@for figure in bench/*.py; do echo "· $$figure"; PYTHONPATH=. $(BIN)/python "$$figure"; done

sizes: ## the ten largest files, functions and classes: says when to think, never fails
	@$(PYTHON) tools/sizes.py

##@ Upkeep
.PHONY: lock fresh clean help
# A package must be a week old before it is locked: a poisoned release is found in days.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --exclude-newer "7 days" $(UPGRADE)
lock: ## write requirements/*.txt again from pyproject.toml (UPGRADE=--upgrade for newer ones)
	echo uv | $(COMPILE) - -o requirements/uv.txt
	$(COMPILE) pyproject.toml -o requirements/verifier.txt
	$(COMPILE) pyproject.toml --extra server --extra scale --extra pkcs11 --group build \
		-c requirements/verifier.txt -o requirements/server.txt
	$(COMPILE) pyproject.toml --all-extras --group build --group dev \
		-c requirements/server.txt -o requirements/test.txt
	$(COMPILE) --group oracles --excludes requirements/without.txt -o requirements/oracles.txt

fresh: ## both commands on a fresh Debian 12 in a folder of its own (root, debootstrap)
	tools/fresh.sh

clean: ## remove what the commands made; data and evidence stay
	rm -rf .venv .venv-oracles .venv-verifier .setup.lock build dist .hypothesis \
		frontend/node_modules frontend/build src/guzheng/web/static/built src/guzheng/prove/verify.html \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find src tests tools bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
