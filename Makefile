# `make` alone lists what there is to do.
# Needs Python 3.11 or later and make; no root, no Docker, no Node.

SHELL := /bin/sh
# Without compiled files every process of ours would compile all that it imports, once a start.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first Python that answers and is new enough (a name on PATH may be a stub that only complains).
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

BIN := .venv/bin
LOCKED := pyproject.toml uv.lock packaging/bootstrap.py
WEB := mlbox/ui/web
WEB_SOURCES := $(shell find $(WEB) \( -name node_modules -o -name test \) -prune -o -type f -print 2>/dev/null)
DASHBOARD := mlbox/ui/static/index.html
SETUP := .venv/.setup
DEV := .venv/.dev

.PHONY: help setup demo test test-browser test-engine test-databases test-clients check format ci nightly bench ui build smoke docs image client-wheel lock clean ci-demo

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP) $(DASHBOARD) ## The environment in .venv and the dashboard; the command is then .venv/bin/mlbox
	@echo "ready: $(BIN)/mlbox"

demo: setup ## From raw rows to monitored predictions on real data, then the dashboard
	$(BIN)/mlbox demo

test: $(DEV) $(DASHBOARD) ## The fast tests
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore tests/browser --ignore tests/clients $(ARGS)

test-browser: $(DEV) $(DASHBOARD) ## The dashboard in a real Chromium (MLBOX_CHROMIUM=/path, else the one on PATH)
	$(BIN)/python -m pytest tests/browser $(ARGS)

# What is no executor has its own files: those of Redis carry no mark of an engine, and run in the fast suite too where it is
# there; those of RabbitMQ carry one, and run here alone.
SCENARIOS_redis := tests/conformance/test_online_stores.py tests/unit/features/test_features_redis.py \
	tests/conformance/test_stream_sources.py
SCENARIOS_rabbitmq := tests/unit/features/test_features_rabbitmq.py tests/conformance/test_sinks.py \
	tests/conformance/test_stream_sources.py tests/conformance/test_feeds.py

test-engine: $(DEV) ## One scenario on an engine that is started for it (ENGINE=docker|kubernetes|dask|spark|redis|rabbitmq; see tests/engines)
ifdef SCENARIOS_$(ENGINE)
	$(BIN)/python -m pytest -m "not nightly" $(SCENARIOS_$(ENGINE)) -k "$(ENGINE)" $(ARGS)
else
	$(BIN)/python -m pytest -m "engine and not nightly" tests/conformance/test_executors.py tests/conformance/test_deployments.py \
		tests/unit/runs/test_executor_$(ENGINE).py $(wildcard tests/unit/features/test_features_$(ENGINE).py) \
		-k "scenario and $(ENGINE)" $(ARGS)
endif

test-databases: $(DEV) ## Sources in a real PostgreSQL and a real MariaDB, which are started for it
	$(BIN)/python -m pytest -m "engine and not nightly" tests/conformance/test_sources.py $(ARGS)

test-clients: $(DEV) $(DASHBOARD) ## Tools of others against a real server: MLflow, Schemathesis, KServe's and MLServer's clients
	$(BIN)/python -m pytest tests/clients $(ARGS)

check: $(DEV) $(DASHBOARD) ## Lint, format, types of Python and of the dashboard, the lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MLBOX_WITHOUT_UI=1 $(BIN)/uv lock --check --quiet
	$(BIN)/python packaging/check_ui.py

format: $(DEV) ## Put the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The demo once, in a home of its own; on no terminal it exits at its end.
ci-demo: setup
	@home=$$(mktemp -d); $(BIN)/mlbox --home "$$home" demo --exit </dev/null; status=$$?; rm -rf "$$home"; exit $$status

ci: ## All that a change must pass, with the time of each stage
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later on PATH; set PYTHON=/path/to/python3" >&2; exit 1; }
	@PYTHON=$(PYTHON) $(PYTHON) .ci/stages.py

nightly: $(DEV) $(DASHBOARD) ## All tests, the long forms too
	MLBOX_HYPOTHESIS=nightly $(BIN)/python -m pytest -m "" --timeout 1800 $(ARGS)

bench: $(DEV) ## Every benchmark, with ratios, into benchmarks/RESULTS.md (ARGS=bench_online: one, written nowhere)
	$(BIN)/python benchmarks/run.py $(ARGS)

ui: $(SETUP) ## Build the dashboard, changed or not
	$(BIN)/python packaging/build_ui.py --force

build: $(DEV) $(DASHBOARD) ## The executable, as the folder dist/mlbox
	$(BIN)/python packaging/build.py

smoke: $(DEV) ## Drive the executable in dist/mlbox from outside
	$(BIN)/python packaging/smoke.py

image: $(DEV) $(DASHBOARD) ## The image of mlbox on a Docker engine (ARGS="--tag shop/mlbox:1"), for servers, replicas and runs
	$(BIN)/python packaging/image.py $(ARGS)

client-wheel: $(DEV) ## The SDK alone, as a wheel in dist/
	$(BIN)/python packaging/client_wheel.py

docs: $(DEV) ## Write docs/reference from the code
	$(BIN)/python docs/generate.py

lock: $(SETUP) ## Choose the versions anew (all, or UPGRADE=name for one)
	MLBOX_WITHOUT_UI=1 $(BIN)/uv lock $(if $(UPGRADE),--upgrade-package $(UPGRADE),--upgrade)

clean: ## Remove what was built; .venv stays
	rm -rf build dist mlbox/ui/static $(WEB)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find mlbox packaging tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

$(SETUP): $(LOCKED)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or later on PATH; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) packaging/bootstrap.py demo
	@touch $@

$(DEV): $(SETUP)
	@$(PYTHON) packaging/bootstrap.py demo dev
	@touch $@

$(DASHBOARD): $(SETUP) $(WEB_SOURCES)
	@$(BIN)/python packaging/build_ui.py
	@touch $@
