# `make demo` and `make test` need Python 3.11 or 3.12 and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-slow lint install clean

demo: install
	$(BIN)/emberline demo

test: install
	$(BIN)/python -m pytest -m 'not slow' --cov --cov-report=term

# Whole lineages, killed and run again, browsers, environments of their own: half an hour on two cores.
test-slow: install
	$(BIN)/python -m pytest -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

install: $(STAMP)

# constraints.txt pins every version that was tested together, torch's among them.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .emberline
