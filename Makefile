# Everything a developer does. `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
UV := .cache/uv-venv/bin/uv
BIN := .venv/bin
PACKAGES := libs/common libs/runtime libs/sessions services/api services/runtime-agent services/proxy cli
SOURCES := $(addsuffix /src,$(PACKAGES))
SETUP := .venv/.ready
STEP := scripts/step

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Bring the stack up, run an MCP server from PyPI in it, and call a tool of it
	@$(STEP) "tools" $(MAKE) --no-print-directory setup
	@scripts/stack-up
	@$(BIN)/python scripts/demo.py

.PHONY: up
up: ## Bring the stack up (see compose.yaml)
	@scripts/stack-up

.PHONY: down
down: ## Remove the stack, the servers it runs, and their data
	@scripts/stack-down

.PHONY: setup
setup: $(SETUP) ## Install everything a checkout needs into .venv

$(UV):
	@scripts/python-venv $(PYTHON) .cache/uv-venv
	@.cache/uv-venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

$(SETUP): $(UV) requirements/dev.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --native-tls --python .venv --require-hashes requirements/dev.txt
	@$(UV) pip install --quiet --native-tls --python .venv --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@touch $@

LOCKS := uv build nats dev api runtime-agent proxy node mcp-1 everything-server

.PHONY: lock
lock: $(UV) ## Resolve the requirements anew
	@cd requirements && for name in $(LOCKS); do \
	  ../$(UV) pip compile --quiet --native-tls --generate-hashes --no-header --no-emit-index-url \
	    --python-version 3.11 --universal $(addprefix --no-emit-package toolhive-,common runtime sessions api agent proxy cli) \
	    $$name.in -o $$name.txt; done
	@cd bench/requirements && for name in mcp-proxy node; do \
	  ../../$(UV) pip compile --quiet --native-tls --generate-hashes --no-header --no-emit-index-url \
	    --python-version 3.11 --universal $$name.in -o $$name.txt; done

.PHONY: generate
generate: setup ## Write the files that are generated from code
	@$(BIN)/python scripts/generate.py

.PHONY: format
format: setup ## Format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

.PHONY: check
check: setup ## Format, lint, types, layers, generated files and unit tests: what needs no engine
	@$(STEP) "format" $(BIN)/ruff format --check --quiet .
	@$(STEP) "lint" $(BIN)/ruff check --quiet .
	@$(STEP) "scripts" scripts/check-scripts
	@$(STEP) "types" $(BIN)/mypy --no-error-summary $(SOURCES) scripts/*.py bench/harness
	@$(STEP) "layers" $(BIN)/lint-imports --no-logo
	@$(STEP) "generated files" $(BIN)/python scripts/generate.py --check
	@$(STEP) "compose.yaml" scripts/check-compose
	@$(STEP) "unit tests" $(BIN)/pytest -m "not engine and not stack and not cluster and not wire" -n 2 -q

.PHONY: test
test: ## Everything: set up what the tests need, and run them all
	@scripts/test

.PHONY: test-cluster
test-cluster: setup ## The tests that need a Kubernetes cluster, on one of their own or TOOLHIVE_TEST_KUBECONFIG's
	@$(STEP) --show "engine" scripts/ensure-engine
	@$(STEP) --show "images" scripts/build-images
	@$(STEP) --show "clients and servers of the protocol" scripts/ensure-conformance
	@$(STEP) --show "programs of the cluster" scripts/ensure-cluster-tools
	@$(STEP) --show "tests with a cluster" $(BIN)/pytest -m cluster -q

FUZZ_SECONDS ?= 20
FUZZER := .cache/atheris

$(FUZZER): $(UV)
	@$(UV) pip install --quiet --native-tls --python .venv --no-deps --target $@ atheris==3.0.0

.PHONY: fuzz
fuzz: setup $(FUZZER) ## Look for bytes that break the proxy's parsers, FUZZ_SECONDS for each; needs Python 3.11 to 3.13
	@for target in request response sse; do \
	  $(STEP) "fuzz $$target" env PYTHONPATH=$(FUZZER) $(BIN)/python services/proxy/tests/fuzz/run.py $$target \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -verbosity=0 -artifact_prefix=.cache/fuzz- || exit 1; \
	done

.PHONY: bench
bench: setup ## Measure the proxy beside its peers and write bench/RESULTS.md; QUICK=1 only looks whether all answer
	@$(STEP) --show "engine" scripts/ensure-engine
	@$(STEP) --show "programs of the benchmark" bench/prepare
	@$(BIN)/python -m bench.harness

.PHONY: images
images: ## Build the images of the stack; what has not changed is not built again
	@scripts/ensure-engine
	@scripts/build-images

.PHONY: clean
clean: down ## Remove the images, caches and environments too
	@scripts/remove-images
	@rm -rf .cache .venv tests/integration/clients/node_modules
