# Two commands matter: `make run` starts the server, `make test` proves it.
# Both set up all they need in .venv and are quick the second time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-to-run
TEST_READY := $(VENV)/.ready-to-test
WORKERS ?= auto

.DEFAULT_GOAL := all
.PHONY: all setup run test litmus lint format audit lock bench-http system-deps clean

all: lint test

setup: $(TEST_READY)

run: $(RUN_READY)
	@$(BIN)/davserver serve

test: $(TEST_READY)
	@$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

# The public WebDAV suite against a real server, on both pairs of homes.
litmus: $(TEST_READY)
	@$(BIN)/python -m pytest -n 0 tests/litmus $(ARGS)

lint: $(TEST_READY) audit
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Known holes in what we depend on fail the build.
audit: $(TEST_READY)
	@$(BIN)/python .ci/audit.py requirements-dev.lock

format: $(TEST_READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# One lock for every platform and Python from 3.11 on; it names no index.
lock: $(TEST_READY)
	@.ci/lock $(BIN)/uv

# Stock cheroot against ours with wrk, on the loopback, some minutes; prints a Markdown table.
bench-http: $(TEST_READY)
	@$(BIN)/python -m bench.http $(ARGS)

# What no Python package can bring, for Debian and its kin. Tests that lack it say so loudly.
system-deps:
	@.ci/system-deps

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "davserver needs Python 3.11 or newer; name one with: make PYTHON=python3.12"; exit 1; }
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); \
		echo "$(PYTHON) can't make $(VENV); on Debian and its kin, first: apt install python3-venv"; exit 1; }

$(RUN_READY): requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the server needs (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(TEST_READY): requirements-dev.lock $(RUN_READY)
	@echo "Installing what the tests need (once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
