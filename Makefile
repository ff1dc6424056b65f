# Every target sets up what it needs; nothing but Python 3.11 and make has to be there before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The constraints name the exact versions this revision was tested with.
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.DEFAULT_GOAL := help
.PHONY: help setup demo run test check bench faults e2e screenshots constraints clean

help: ## List the targets.
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(STAMP) ## Make the virtual environment.

# make itself takes --keep for its own --keep-going, which shows in MAKEFLAGS; here it means what it says.
KEEP ?= $(findstring k,$(filter-out --%,$(firstword $(MAKEFLAGS))))
demo: setup ## The main job on embedded defaults: from an empty folder to delivered mail; KEEP=1: stay, with its data.
	$(BIN)/postmta demo $(if $(KEEP),--keep)

run: setup ## Serve on http://127.0.0.1:8080 with a sandbox node, ready to play with.
	$(BIN)/postmta demo --serve --port 8080

test: setup ## All tests; those of a real kumod are skipped with a reason unless KUMOD names one.
	$(BIN)/pytest -n auto

check: setup ## Style, types, the Lua of the policy, and the architecture.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/unit/test_architecture.py tests/policy/test_lua_syntax.py

bench: setup ## Speed beside something simpler, as a table of ratios: make bench ONLY=send BENCH_JSON=FILE KUMOD=PATH
	$(BIN)/python -m bench --only '$(ONLY)' $(if $(BENCH_JSON),--json '$(BENCH_JSON)')

faults: setup ## Kills and other faults, at length, with a report: make faults KILLS=300 FAULTS_REPORT=FILE ONLY=postgresql
	FAULTS=$(or $(FAULTS),full) FAULTS_KILLS=$(or $(KILLS),300) FAULTS_REPORT='$(FAULTS_REPORT)' $(BIN)/pytest -q tests/faults \
		$(if $(ONLY),-k '$(ONLY)')

e2e: setup ## The whole path against a real KumoMTA: make e2e KUMOD=/path/to/kumod
	$(BIN)/pytest -m kumod -q -rs tests/e2e

screenshots: setup ## Pictures of the console for the documentation, by Debian's Chromium.
	$(BIN)/python -m tests.browser.screenshots docs/screenshots

constraints: ## Pin the newest versions that pyproject.toml allows; run the tests with them before a commit.
	rm -rf build/pins && $(PYTHON) -m venv build/pins
	build/pins/bin/python -m pip --disable-pip-version-check -q install -e '.[dev]'
	echo "# The exact versions that this revision was tested with; made by make constraints." >constraints.txt
	build/pins/bin/python -m pip freeze --exclude-editable >>constraints.txt

clean: ## Remove what the other targets made.
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
