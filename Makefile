# `make demo` and `make test` need Python 3.11 or 3.12 and a package index, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Tests of pure functions, a second or less each on one core: what most mistakes break. `make test` runs all.
# The ignored files start servers, end process trees, and ingest whole corpora.
FAST := \
  --ignore=tests/assets/reports/test_champion.py --ignore=tests/models/common/test_processes.py \
  --ignore=tests/assets/reports/test_datasets.py --ignore=tests/assets/corpora/readers/test_contract.py \
  tests/models/common tests/models/rewards tests/models/editor/test_sampling.py \
  tests/models/similarity/test_pair_metrics.py \
  tests/assets/cached/test_mixture.py tests/assets/corpora/readers tests/assets/dedup/test_clusters.py \
  tests/assets/filtered/test_decide.py tests/assets/lake/test_lake.py tests/assets/lake/test_run_step.py \
  tests/assets/reports tests/assets/training tests/assets/test_invariants.py \
  tests/trainers/data tests/trainers/test_config.py tests/trainers/test_ema.py tests/trainers/test_losses.py \
  tests/trainers/test_metrics_file.py tests/trainers/test_timesteps.py \
  tests/benchmarks/parsing tests/benchmarks/perf/test_house.py tests/benchmarks/scoring/test_aggregate.py \
  tests/benchmarks/scoring/test_statistics.py tests/benchmarks/scoring/test_summary.py \
  tests/orchestration/test_dependencies.py tests/orchestration/test_estimate.py \
  tests/orchestration/test_field_roles.py tests/orchestration/test_plan.py \
  tests/orchestration/test_profile_reference.py tests/orchestration/test_tables.py

# Pyright allocates much and keeps little: a larger young generation saves a tenth of its time.
PYRIGHT := NODE_OPTIONS=--max-semi-space-size=128 $(BIN)/pyright

.PHONY: demo check check-types check-rest test test-slow lint install clean

demo: install
	$(BIN)/emberline demo

# What to run before each commit. Types take one core, the rest takes the other.
check: install
	$(MAKE) --no-print-directory -j2 check-types check-rest

check-types: install
	$(PYRIGHT)

check-rest: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' $(FAST)

# Two workers, each with one thread, so that they do not fight over two cores.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' -n 2 --cov --cov-report=term

# Whole lineages, killed and run again, browsers, environments of their own: half an hour on two cores.
test-slow: install
	$(BIN)/python -m pytest -m slow

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYRIGHT)
	$(BIN)/lint-imports

install: $(STAMP)

# constraints.txt pins every version that was tested together, torch's among them.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	@touch $(STAMP)

clean:
	rm -rf $(VENV) .emberline
