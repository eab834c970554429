# `make quickstart` and `make test` need nothing but Python 3.11 or newer and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Processes that share the tests; `make test WORKERS=0` runs them in one, for a debugger.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)
# Threads of a small network mostly wait for each other.
quickstart test test-all coverage mutations bench: export OMP_NUM_THREADS ?= 1

.PHONY: quickstart test test-all coverage mutations lint bench clean

quickstart: $(VENV)/.installed
	$(BIN)/lightning fit --config configs/quickstart.yaml

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.installed-test
	$(PYTEST)

coverage: $(VENV)/.installed-test
	$(PYTEST) -m "not slow" --cov

mutations: $(VENV)/.installed-test
	$(PYTEST) tests/mutations/run.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	set -e; for script in tests/benchmarks/bench_*.py; do $(BIN)/python $$script; done
	$(BIN)/python tests/benchmarks/_tables.py  # in README and docs/scaling.md

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[$*]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
