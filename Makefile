# Everything a developer does. `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
UV := .cache/uv-venv/bin/uv
BIN := .venv/bin
PACKAGES := libs/common libs/runtime services/api services/runtime-agent services/proxy cli
SETUP := .venv/.ready

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(SETUP) ## Install everything a checkout needs into .venv

$(UV):
	@scripts/python-venv $(PYTHON) .cache/uv-venv
	@.cache/uv-venv/bin/pip install --quiet --require-hashes -r requirements/uv.txt

$(SETUP): $(UV) requirements/dev.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --native-tls --python .venv --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --native-tls --python .venv --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@touch $@

LOCKS := uv build nats dev api runtime-agent proxy

.PHONY: lock
lock: $(UV) ## Resolve the requirements anew
	@cd requirements && for name in $(LOCKS); do \
	  ../$(UV) pip compile --quiet --native-tls --generate-hashes --no-header --no-emit-index-url \
	    --python-version 3.11 --universal $(addprefix --no-emit-package toolhive-,common runtime api agent proxy cli) \
	    $$name.in -o $$name.txt; done

.PHONY: generate
generate: setup ## Write the files that are generated from code
	@$(BIN)/python scripts/generate.py
