# Patchline: what there is to make. Everything works in the checkout; nothing is installed outside it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
# Where the machine keeps certificates, they count: many a vendor sits behind a proxy with its own.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: help
help:  ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/ready  ## make .venv in the checkout with both programs, from hash-pinned requirements

.venv/ready: requirements-setup.txt requirements-dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-setup.txt
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements-dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	touch $@

PRODUCT ?= Django
FROM ?= 4.2.15
TO ?= 4.2.16

.PHONY: demo
demo: setup  ## make a hotfix of two real releases and take it through everything; PRODUCT=, FROM=, TO= name others
	@$(BIN)/python -m tests.journeys.demo $(PRODUCT) $(FROM) $(TO)

.PHONY: demo-channel
demo-channel: setup  ## the second part of the demo alone: register, channel, kit for an air gap, recall
	@$(BIN)/python -m tests.journeys.demo $(PRODUCT) $(FROM) $(TO) --part channel

.PHONY: demo-fleet
demo-fleet: setup  ## the demo's second and third part: the same, then who has what, and how we know
	@$(BIN)/python -m tests.journeys.demo $(PRODUCT) $(FROM) $(TO) --part fleet

.PHONY: demo-vault
demo-vault: setup  ## a loan from request to proved-dead return, and a hotfix signed by a key that never leaves Vault
	@$(BIN)/python -m tests.journeys.demo $(PRODUCT) $(FROM) $(TO) --part vault

.PHONY: test
test: setup  ## run the tests
	$(BIN)/python -m pytest -q -n auto --dist worksteal

.PHONY: exhaustive
exhaustive: setup  ## cut everything off at every step there is, where `make test` tries every few; an hour and more
	PATCHLINE_EXHAUSTIVE=1 $(BIN)/python -m pytest -q -n auto --dist worksteal $$(grep -rlw EXHAUSTIVE tests --include='test_*.py')

.PHONY: check
check: setup lint types imports  ## check style, types, direction of imports, wheel contents, docs
	$(BIN)/python -m pytest -q tests/test_package.py tests/test_imports.py tests/test_repository.py tests/test_docs.py

.PHONY: lint
lint: setup
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .

# mypy and import-linter cannot see mapped folders, so they are shown a tree of links.
.PHONY: tree
tree:
	@mkdir -p build/tree/patchline
	@ln -sfn "$$PWD"/{releaser,patches,vault,web,migrations} build/tree/patchline/

.PHONY: types
types: setup tree
	@cd build/tree && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p patchline | sed 's#^patchline/##'

.PHONY: imports
imports: setup tree
	@cd build/tree && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml > ../imports.txt || { cat ../imports.txt; exit 1; }

.PHONY: docs
docs: setup  ## write the pages that follow from the code
	$(BIN)/python docs/generate.py

.PHONY: vectors
vectors: setup  ## write the committed good and bad bundles and recall lists of tests/vectors
	$(BIN)/python -m tests.vectors.generate
	$(BIN)/python -m tests.vectors.recalls

.PHONY: client
client: setup  ## make the customer's client as one file, dist/patchline-site.pyz
	@$(BIN)/python -m patchline.releaser.client dist/patchline-site.pyz

.PHONY: bench
bench: setup  ## measure beside the peers; BENCH=--full for the long ones, BENCH_REPOS=PATH@BASE..HEAD,… for more input
	$(BIN)/python -m bench $(BENCH)

.PHONY: pairs
pairs: setup  ## take real pairs of releases forth and back: make pairs LIST=file (its form stands in bench/pairs.py)
	$(BIN)/python -m bench.pairs $(LIST)

.PHONY: lock
lock: setup  ## write the hash-pinned requirements anew, with the newest versions allowed
	$(LOCK) --upgrade --group setup -o requirements-setup.txt
	$(LOCK) --upgrade pyproject.toml --extra server -o requirements.txt
	$(LOCK) --upgrade pyproject.toml --extra server --group dev -c requirements.txt -o requirements-dev.txt

.PHONY: clean
clean:  ## remove what make has made
	rm -rf .venv build dist patchline.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
