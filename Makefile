# `make compare` and `make test` each do all the set-up on a fresh machine.
PYTHON ?= python3
VENV ?= .venv
WORKDIR ?= runs/compare
BIN = $(VENV)/bin

.PHONY: compare test test-all clean

compare: $(VENV)/.installed
	$(BIN)/python -m ptm_jax compare \
	  --config=experiments/compare_objectives.py --workdir=$(WORKDIR)

# A process per core; each goes through neighbouring tests, which share what is
# compiled.
test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

# Everything, the slow ones and those that need peers, a browser or SLURM
# included.
test-all: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m ''

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/.installed-test: setup.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e .[test]
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) runs build *.egg-info
