# Everything one does with Whetstone. Each target makes its environment first, if there is none.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin
# More options for the command behind a target: make test ARGS="-k audit"
ARGS ?=

.PHONY: help env run run-cloud stop-cloud demo test test-cloud test-fast lint types contracts check format bench bench-learning bundle tf-check lock openapi clean

help: ## list the targets
	@echo 'Usage: make TARGET [ARGS="more options"]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

env: ## make .venv from requirements.lock, unless it fits already
	@scripts/environment

run: env ## start all functions on one port (PORT, default 8080; state in WHETSTONE_DATA_DIR, default ./data)
	@exec $(BIN)/whetstone serve $(ARGS)

run-cloud: env ## start everything as on Google Cloud, on emulators, each function by itself (PORT, STORE=postgres; ./data-cloud)
	@exec $(BIN)/python -m localcloud run $(ARGS)

stop-cloud: env ## end what run-cloud has started, from another shell
	@exec $(BIN)/python -m localcloud stop $(ARGS)

demo: env ## play real data through the running server (or one of its own) and print what was learned
	@exec $(BIN)/python -m demo $(ARGS)

test: env ## run every test in parallel, with branch coverage
	@scripts/backends
	@$(BIN)/pytest --numprocesses=auto --dist=loadfile --cov --cov-report=term $(ARGS)

test-cloud: env ## run tests/e2e on the local cloud: every function in its own process (STORE=postgres)
	@scripts/backends
	@$(BIN)/pytest tests/e2e --cloud=$(or $(STORE),firestore) $(ARGS)

test-fast: env ## run the tests that need no server and take no time
	@$(BIN)/pytest --numprocesses=auto --dist=loadfile -m 'not slow and not e2e and not crash' $(ARGS)

lint: env ## check style and formatting
	@$(BIN)/ruff check $(ARGS)
	@$(BIN)/ruff format --check

types: env ## check types, strictly
	@$(BIN)/mypy $(ARGS)

contracts: env ## check which module may import which
	@$(BIN)/lint-imports --no-logo $(ARGS)

check: lint types contracts ## lint, types and contracts

format: env ## format the code and repair what can be repaired safely
	@$(BIN)/ruff check --fix --exit-zero --quiet
	@$(BIN)/ruff format

bench: env ## measure speed against baselines of the same run
	@exec $(BIN)/python -m bench $(ARGS)

bench-learning: env ## play routing on real data against baselines; tables and plots to bench/learning/results
	@$(BIN)/python -m bench.learning $(ARGS)

bundle: env ## stage dist/<function>.zip for every function and dist/bundles.json (ARGS="--store postgres", --help)
	@scripts/bundle $(ARGS)

tf-check: env ## check terraform/: form, validity, its assertions, the code it must fit, a static scanner
	@$(BIN)/pytest tests/terraform $(ARGS)

lock: env ## resolve requirements.lock from pyproject.toml again (ARGS=--upgrade for newer versions)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --all-extras \
	  --generate-hashes --no-header --output-file requirements.lock pyproject.toml $(ARGS)
	@scripts/environment
	@$(BIN)/python -m bundling --requirements

openapi: env ## write shared/web/openapi.json from the routes
	@$(BIN)/whetstone openapi

clean: ## remove the environment, caches and reports, never the data
	@rm -rf .venv build dist *.egg-info .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
