.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test test-random test-mutants test-crash check lint types stubs format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]" --group dev
	@touch $@

demo: $(STAMP) ## a server with made-up data, and questions to it; ONCE=1 ends by itself
	$(BIN)/headcount demo $(if $(ONCE),--once)

test: $(STAMP) ## all tests
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-random: $(STAMP) ## property tests with other examples than last time
	$(BIN)/python -m pytest -n auto --dist loadgroup --hypothesis-profile=random tests/property tests/oracle tests/unit

test-mutants: $(STAMP) ## each boundary of the core moved (>= to >), a test has to fail; a quarter of an hour
	$(BIN)/python -m pytest -p tests.mutation.boundaries -p no:xdist -p no:cacheprovider \
	  tests/unit tests/meaning tests/oracle tests/property $(MUTANTS)

test-crash: $(STAMP) ## disks that fail at every call, and a server killed 200 times
	HEADCOUNT_CRASH_STEP=1 HEADCOUNT_KILLS=200 $(BIN)/python -m pytest -n auto tests/crash

check: lint types test ## what CI runs

lint: $(STAMP) ## ruff, import-linter, buf, stubs current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python proto/generate.py --check

types: $(STAMP) ## pyright, strict
	$(BIN)/pyright

stubs: $(STAMP) ## generate the stubs from the .proto files
	$(BIN)/python proto/generate.py

format: $(STAMP) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
