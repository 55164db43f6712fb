# `make demo` and `make test` are all that a fresh clone needs: both build .venv first. Nothing has to be activated.
#
#   PYTHON=python3.12        another interpreter for the environment
#   PIP_FLAGS="..."          options for pip: --extra-index-url https://download.pytorch.org/whl/cpu gets the small torch
#   ARGS="..."               options for pytest or for the demo
#   WORKERS=2                processes that run the tests

PYTHON ?= python3
WORKERS ?= 2
PIP_FLAGS ?=
ARGS ?=

# Every path below is relative: make splits names at spaces, and the clone may lie in a folder that has one.
VENV := .venv
RUN := $(VENV)/bin/python -m
STAMP := $(VENV)/installed
# Of two makes at the same time, one installs and the other waits.
LOCK := $(if $(shell command -v flock 2>/dev/null),flock $(VENV).lock)

# More than one thread per process slows small models down; bomix runs processes side by side instead.
export OMP_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-gpu test-faults test-engines test-formats \
	test-callbacks test-floors test-wheel smoke docs lint types format clean environment

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: environment  ## run the first study: real text, sixteen small models, one recommendation
	@test -f runs/demo/study.yaml || $(VENV)/bin/bomix init runs/demo
	$(VENV)/bin/bomix optimize runs/demo $(ARGS)

test: environment  ## run the tests, the slow ones left out
	$(RUN) pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-slow: environment  ## run the slow tests
	$(RUN) pytest -m slow $(ARGS)

test-gpu: environment  ## on a machine with a CUDA device: its tests, and the table of benchmarks/gpu.py
	$(RUN) pytest -m gpu $(ARGS)
	$(VENV)/bin/python benchmarks/gpu.py --out runs/gpu.json

test-engines: environment  ## run trials on real daemons of Slurm and Ray, and the faults that they survive; half an hour
	$(RUN) pytest -m engines $(ARGS)

test-faults: environment  ## a fault at every file operation of small studies: the table of docs/reliability.md; twenty minutes
	$(RUN) pytest -m slow -s tests/faults $(ARGS)

test-formats:  ## run the trainers' own code on what bomix exports, in an environment of its own: a minute after the installation
	@[ -x .venv-formats/bin/python ] || $(PYTHON) -m venv .venv-formats
	@.venv-formats/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@.venv-formats/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/formats/requirements.txt
	.venv-formats/bin/python -m pytest -m formats -rs tests/formats --ignore tests/formats/test_trackers.py $(ARGS)
	@[ -x .venv-trackers/bin/python ] || $(PYTHON) -m venv .venv-trackers
	@.venv-trackers/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@.venv-trackers/bin/python -m pip install --quiet --disable-pip-version-check -r tests/formats/trackers.txt
	.venv-trackers/bin/python -m pytest -m formats -rs tests/formats/test_trackers.py $(ARGS)

test-callbacks:  ## log to the real W&B, MLflow, TensorBoard and trackio, offline, in an environment of its own: a minute
	@[ -x .venv-callbacks/bin/python ] || $(PYTHON) -m venv .venv-callbacks
	@.venv-callbacks/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@.venv-callbacks/bin/python -m pip install --quiet --disable-pip-version-check -r tests/callbacks/requirements.txt
	.venv-callbacks/bin/python -m pytest -m callbacks -rs tests/callbacks $(ARGS)

test-floors:  ## run the fast tests on the lowest versions that pyproject.toml allows, in an environment of its own
	@[ -x .venv-floors/bin/uv ] || $(PYTHON) -m venv .venv-floors
	@.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check uv
	@.venv-floors/bin/uv pip compile --quiet --system-certs --resolution lowest-direct -p .venv-floors/bin/python \
		--extra bayesian --extra proxy --extra lightgbm --extra cmaes --extra excel pyproject.toml -o .venv-floors/floors.txt
	@.venv-floors/bin/uv pip install --quiet --system-certs -p .venv-floors/bin/python -r .venv-floors/floors.txt \
		-r tests/floors/requirements.txt
	@.venv-floors/bin/uv pip install --quiet --system-certs -p .venv-floors/bin/python --no-deps -e .
	.venv-floors/bin/python -m pytest -n $(WORKERS) --dist worksteal -W default $$(sed 's/#.*//' tests/floors/left_out.txt) $(ARGS)

test-wheel: environment  ## build the wheel, install it beside the environment's packages, and test it outside of the clone
	tests/wheel.sh $(VENV)/bin/python $(ARGS)

smoke: environment  ## run every default method through tiny problems: about a minute
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		$(VENV)/bin/bomix benchmark --smoke --out "$$folder" --processes $(WORKERS)

docs: environment  ## build the documentation site into build/site; a warning is an error, and nothing is fetched
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict $(ARGS)
	@echo 'open build/site/index.html'

lint: environment  ## check style and formatting
	$(RUN) ruff check .
	$(RUN) ruff format --check .

types: environment  ## check types
	$(RUN) mypy

format: environment  ## mend what can be mended by machine
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

clean:  ## remove the environment and every cache; studies stay
	rm -rf $(VENV) $(VENV).lock .venv-formats .venv-trackers .venv-callbacks .venv-floors .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find bomix tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the folder that it was written in: a clone that has moved is installed again.
environment:
	@$(LOCK) sh -c '[ "$$(cat $(STAMP) 2>/dev/null)" = "$$(pwd -P)" ] || rm -f $(STAMP); \
		$(MAKE) --silent --no-print-directory $(STAMP)'

# The stamp is written last, so that an installation cut short is done again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'bomix needs Python 3.11 or newer, and "$(PYTHON)" is not; name one: make PYTHON=python3.12 ...' >&2; \
		exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '"$(PYTHON)" cannot create environments; install its venv module (Debian: apt install python3-venv)' >&2; \
		exit 2; }
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'installing bomix into $(VENV); this takes a few minutes'
	@$(RUN) pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@pwd -P > $@
