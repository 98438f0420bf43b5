.DEFAULT_GOAL := help
# The first that is new enough; name another one with PYTHON=…
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --group build \
	--custom-compile-command "make lock"
# One stamp a lock file: a second run installs nothing.
RUNTIME := $(VENV)/.installed-runtime
DEV := $(VENV)/.installed-dev

.PHONY: help install run demo test bench lint screenshots format lock openapi clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(RUNTIME) ## Make .venv with the locked dependencies and the embedded PostgreSQL

run: $(RUNTIME) ## Start the database and serve on http://127.0.0.1:8000 (HOST, PORT)
	@exec $(BIN)/ecompredictor serve

demo: $(RUNTIME) ## Invent two shops, read them, and serve them (ORDERS, DATA_DIR; the database has to be empty)
	@exec $(BIN)/ecompredictor demo $(if $(ORDERS),--orders $(ORDERS))

test: $(DEV) ## Run the tests (TEST_DATABASE_URL=postgresql://… runs them on another server)
	@$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder $(ARGS)

lint: $(DEV) ## Check style, types, and that the migrations match the models
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/ecompredictor migrate --check

bench: $(DEV) ## Measure the API and imports beside what bounds them, in ten minutes (BENCH=row for one row)
	@$(BIN)/python -m benchmarks $(BENCH)

screenshots: $(DEV) ## Renew the pictures in docs/images, with the Chromium that is installed
	@$(BIN)/python -m tests.console.screenshots

format: $(DEV) ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: $(DEV) ## Renew the lock files (UPGRADE=1 also takes newer versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --extra embedded --extra predict --extra dev -o requirements-dev.txt
	$(COMPILE) --constraint requirements-dev.txt --extra embedded --extra predict --extra demo -o requirements.txt
	$(COMPILE) --constraint requirements-dev.txt --extra predict -o requirements-image.txt

openapi: $(RUNTIME) ## Write the OpenAPI document to build/openapi.json
	@mkdir -p build && $(BIN)/ecompredictor export-openapi build/openapi.json

clean: ## Remove the virtual environment and the caches; the data stay
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A half-made environment would look like a whole one to the next run.
$(BIN)/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) …"
	@$(PIP) --require-hashes -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@echo "Installing the development tools into $(VENV) …"
	@$(PIP) --require-hashes -r requirements-dev.txt
	@touch $@
