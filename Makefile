# Everything sets up .venv by itself; all it needs is Python >= 3.11, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
# Users of the sandbox's machines cannot write bytecode; half of what is installed nobody ever imports.
COMPILE := $(BIN)/python -m compileall -q -j 0 -x '/(tests?|sympy|databricks|mypyc?|mypy_boto3_[a-z0-9_]+)/' $(VENV)/lib

.PHONY: help demo test lint bench docs site constraints clean
.DEFAULT_GOAL := help

help: ## Show what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/'

demo: $(VENV)/.demo ## The main job on a local EC2 and GitHub: queued, launched, run, reported, gone
	$(BIN)/runnerkit demo

test: $(VENV)/.dev ## Run every test tier (the slow ones included)
	$(BIN)/python -m pytest -n auto --dist loadgroup $(PYTEST_ARGS)

lint: $(VENV)/.dev ## Check style, types and structure
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## Measure, print the figures, and fail when a limit is missed
	$(BIN)/python benchmarks/run.py

docs: $(VENV)/.dev ## Write the generated pages of docs/ anew
	$(BIN)/python scripts/draw_phases.py
	$(BIN)/python scripts/write_python.py
	$(BIN)/python scripts/write_reference.py

site: $(VENV)/.dev ## Make the pages a site: build/site/index.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir build/site.trees . build/site

constraints: $(VENV)/.uv ## Resolve the newest versions and pin them in constraints.txt
	$(BIN)/uv pip compile --quiet --upgrade --all-extras --no-annotate --no-header --python-version 3.11 \
		pyproject.toml | sed -E 's/\[[^]]*\]//' > constraints.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build

$(VENV)/.uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "runnerkit needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/.demo: $(VENV)/.uv pyproject.toml constraints.txt
	$(UV) --editable '.[demo]'
	-@$(COMPILE) >/dev/null
	@touch $@

$(VENV)/.dev: $(VENV)/.uv pyproject.toml constraints.txt
	$(UV) --editable '.[dev]'
	-@$(COMPILE) >/dev/null
	@touch $@ $(VENV)/.demo
