# Everything runs in .venv, which is made and filled on first use and again only when pyproject.toml changes.
# Linux with an NVIDIA card: plain pip brings the CUDA build of PyTorch (several GB). For the small CPU build, set
# PIP_EXTRA_INDEX_URL to PyTorch's index for the CPU before the first `make`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Further arguments for pytest, as in: make test ARGS="-k cloning"
ARGS ?=
# Which tests, by their markers in pyproject.toml
TIERS ?= not distributed and not slow and not gpu
# What to clone, and to say, as in: make demo CLIPS="a.wav b.wav" TEXT="Good morning."
CLIPS ?=
TEXT ?=
override TEXT := $(value TEXT)
export TEXT  # read by the shell as a variable, so that it may hold quotes and dollar signs

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo mini test test-all lint format docs clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## clone a voice: make demo CLIPS="a.wav b.wav" TEXT="..."; without clips, two made ones: runs/demo
	$(BIN)/python -m lightning_vc.recipes.demo $(if $(CLIPS),--clips $(CLIPS)) $(if $(TEXT),--text "$$TEXT")

mini: $(VENV)/.demo  ## train on generated voices, clone six that were held out: runs/mini/report.html
	$(BIN)/python -m lightning_vc.recipes.run recipes/mini/recipe.yaml

test: $(VENV)/.dev  ## run the tests of modules and recipes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "$(TIERS)" $(ARGS)

test-all:  ## run all tests but those that need a GPU
	$(MAKE) test TIERS="not gpu"

lint: $(VENV)/.dev  ## check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## rewrite the sources in the style that lint checks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## build docs/ into site/; a broken link is an error
	$(BIN)/mkdocs build --strict

clean:  ## remove caches and built pages; runs/ and .venv stay
	rm -rf site dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find lightning_vc tests -name __pycache__ -type d -exec rm -rf {} +

# The virtual environment, usable: with a Python that still exists and with pip in it.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "lightning_vc needs Python 3.10 or newer; '$(PYTHON)' is not. Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "'$(PYTHON)' cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[demo]'
	@touch $@

# dev contains demo
$(VENV)/.dev: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --editable '.[dev]'
	@touch $(VENV)/.demo $@
