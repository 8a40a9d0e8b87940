# Everything a newcomer needs; each target creates the environment if it is not there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test test-all bench lint docs clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/ghostjax demo

# What is about the programs themselves compiles as a user's do, all else as fast as it can; `test-all` only as a user's.
WHOLE := tests/kernels/test_structure.py tests/perf/test_round_structure.py tests/perf/test_laws_optimised.py \
	tests/perf/test_absent_stages.py
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile --durations=20

test: $(STAMP)
	$(PYTEST) --dist worksteal -m "not slow" $(WHOLE)
	XLA_FLAGS="$$XLA_FLAGS $$($(BIN)/python tests/quick.py)" JAX_DISABLE_MOST_OPTIMIZATIONS=1 $(PYTEST) -m "not slow" $(WHOLE:%=--ignore=%)

test-all: $(STAMP)
	$(PYTEST)

bench: $(STAMP)
	$(BIN)/python -m pytest -q benchmarks --benchmark-enable
	$(BIN)/python benchmarks/side_by_side.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -E -W --keep-going -q docs build/docs
	@echo "build/docs/index.html"

$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@

clean:
	rm -rf $(VENV) runs build
