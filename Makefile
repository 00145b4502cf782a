# What people do daily is one word. `make demo` and `make test` each work alone on a fresh machine that has only
# git, make and Python 3.11 or newer; what is done already is skipped.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRAINING := $(VENV)/.training-installed
DEVELOPMENT := $(VENV)/.development-installed
# The lock names every package with its hash, so that nothing is resolved again.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate --quiet -c requirements/constraints.txt
# Most of the tests' time goes into starting processes that compute with one thread. Files stay whole: their tests share
# what they train. `make test WORKERS=` runs in one process.
WORKERS := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help demo test check format install serve fuzz lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+%?:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: $(TRAINING) ## real data -> trained -> exported -> served -> embeddings and samples over HTTP; SERVE=1 SOURCE=... PORT=...
	$(BIN)/manifold demo $(if $(SERVE),--serve) $(if $(SOURCE),--source $(SOURCE)) $(if $(PORT),--port $(PORT))

test: $(DEVELOPMENT) check ## every check and every test
	$(BIN)/python -m pytest $(WORKERS)

check: $(DEVELOPMENT) ## format, lint, types, import contracts; edits nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPMENT) ## puts the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

install: $(TRAINING) ## .venv with what training and serving need

serve: $(TRAINING) ## serves the champion
	$(BIN)/manifold serve

bench-%: $(DEVELOPMENT) ## figures of one benchmark into benchmarks/results/: bench-path, bench-training, bench-papers, bench-serving, bench-retraining (ARGS=--quick)
	$(BIN)/python -m benchmarks.$* $(ARGS)

fuzz: $(DEVELOPMENT) ## parsers, routes and the OpenAPI document, fuzzed at length; EXAMPLES=2000
	FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) $(BIN)/python -m pytest tests/service/fuzz --timeout 7200

lock: ## resolves pyproject.toml anew, with uv, under requirements/constraints.txt
	$(LOCK) --extra training --group dev -o requirements/development.txt
	$(LOCK) --extra training -c requirements/development.txt -o requirements/training.txt
	$(LOCK) -c requirements/development.txt -o requirements/service.txt

clean: ## removes .venv and caches; releases and data stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info build

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Manifold needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(TRAINING): requirements/training.txt pyproject.toml | $(BIN)/python
	@echo "installing what training and serving need (torch is large: some minutes)"
	$(INSTALL) --require-hashes -r requirements/training.txt
	$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements/development.txt pyproject.toml | $(BIN)/python
	@echo "installing what development needs (torch is large: some minutes)"
	$(INSTALL) --require-hashes -r requirements/development.txt
	$(INSTALL) --no-build-isolation --editable .
	@touch $(TRAINING) $@
