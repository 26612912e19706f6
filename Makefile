# make demo, make test, make lint, make docs, make bench-smoke, make clean; each makes what it needs first.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo
# The first interpreter that starts, is recent enough and can make virtual environments.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$p" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)

.PHONY: install demo test lint docs bench-smoke clean

install: $(VENV)/.installed

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(BIN)/jw init $(DEMO)
	@# 5: the time limit came before the gap; the plan is there all the same
	$(BIN)/jw plan $(DEMO)/scenario.toml -o $(DEMO)/run --time-limit 15 --gap 0.005 --baselines || test $$? -eq 5
	@echo "The report is $(CURDIR)/$(DEMO)/run/report.html"

test: $(VENV)/.developed
	$(BIN)/python -m pytest

lint: $(VENV)/.developed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports

docs: $(VENV)/.developed
	$(BIN)/zensical build --strict --clean

bench-smoke: $(VENV)/.developed
	@set -e; for name in $$($(BIN)/python -m benchmarks list); do \
		echo "== $$name"; $(BIN)/python -m benchmarks run "$$name" --smoke --json; done

clean:
	rm -rf $(VENV) $(DEMO) site dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache .benchmarks

# Some systems ship Python without ensurepip; pip of the system then installs into the environment.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "no Python >= 3.11 with the venv module was found; install one or run make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV); }
	@test -x $(BIN)/pip || $(PYTHON) -m pip --python $(BIN)/python install --quiet pip \
		|| { echo "$(PYTHON) has no pip for a virtual environment; install python3-venv or python3-pip"; exit 1; }
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	touch $@
