# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
BENTOML := .venv-bench-bentoml
export TRAINSHED_HOME ?= $(CURDIR)/.shed

.PHONY: demo story test check lint types contracts unit faults bench picture clean help

help:
	@echo "make demo    the sample project, from raw files through the gate to production"
	@echo "make story   four months of it retraining by itself while it serves: about five minutes"
	@echo "make test    everything: lint, types, import contracts, tests"
	@echo "make check   lint, types and import contracts only"
	@echo "make faults  the long forms of the fault tests"
	@echo "make bench   our figures beside the floor and the peers, which it installs in .venv-bench*; NAMES=overlay for one"
	@echo "make picture draws docs/batch.svg, run.svg and serving.svg from the real screens: about three minutes"

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "trainshed needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 1; }
	@echo "setting up $(VENV) with everything that trainshed needs: about two minutes, once"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/trainshed --batch -p sample_project
	@echo
	@echo "Everything above lies in $(TRAINSHED_HOME). To go on with it in this terminal, type:"
	@echo "  export PATH=$(CURDIR)/$(BIN):\$$PATH TRAINSHED_HOME=$(TRAINSHED_HOME)"

story: $(VENV)/.installed
	$(BIN)/python -m sample_project.story

test: check unit

check: lint types contracts

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

contracts: $(VENV)/.installed
	$(BIN)/lint-imports

# Hundreds of processes start: one writes the bytecode, wherever it was turned off, and the others read it. Half of the
# time a test waits for processes of its own, so that there are two workers for each core.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * len(os.sched_getaffinity(0)))')

unit: $(VENV)/.installed
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -m "not slow" -n $(WORKERS) --dist worksteal

faults: $(VENV)/.installed
	$(BIN)/pytest -m slow

bench: $(VENV)/.installed $(BENCH)/.installed $(BENTOML)/.installed
	$(BIN)/python -m benchmarks $(NAMES)

# The peers, apart from our own pins, and BentoML apart from the others'. Of .venv they see what they lack themselves:
# torch, for TensorBoard's writer, and onnxruntime.
$(BENCH)/.installed: benchmarks/requirements.txt
$(BENTOML)/.installed: benchmarks/requirements-bentoml.txt
$(BENCH)/.installed $(BENTOML)/.installed: $(VENV)/.installed
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $(filter %.txt,$^)
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"
	@touch $@

clean:
	rm -rf $(VENV) $(BENCH) $(BENTOML) .shed .story build *.egg-info .mypy_cache .ruff_cache .hypothesis .import_linter_cache

picture: $(VENV)/.installed
	$(BIN)/python docs/picture.py $(BIN)/trainshed --batch -p sample_project
	$(BIN)/python docs/screen_picture.py
