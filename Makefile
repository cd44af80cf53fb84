# `make demo` and `make test` need Python ≥ 3.11 and make, and set up everything else in .venv/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
PACKAGES := image_data model_zoo run_store explain training report app
# The tests that start servers and processes, and the fuzzer: they wait much, or gain nothing from coverage, and are about half of all.
SERVED := tests/e2e tests/test_docs.py tests/test_notebook.py tests/test_wheel.py tests/test_damaged_runs.py \
	tests/explain/test_several_processes.py tests/training/test_several_processes.py
# The output of a check in one piece, where make can (since 4.0; macOS has an older one).
IN_ONE_PIECE := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: demo app test lint test-served test-others bench chromium

demo: $(RUNTIME)  ## the dashboard, and two small models that train in it
	@$(BIN)/streamlit run app/main.py --server.headless true -- --demo

app: $(RUNTIME)  ## the dashboard alone
	@$(BIN)/streamlit run app/main.py

test:  ## set-up and all checks, beside each other
	@echo "Set-up, then lint and two halves of the tests beside each other; each says what it found when it ends."
	@$(MAKE) --no-print-directory --jobs=3 --keep-going $(IN_ONE_PIECE) lint test-served test-others

# The halves share the cores: two threads of each would wait for each other.
test-served test-others: export OMP_NUM_THREADS := 1

test-served: $(DEVELOPMENT) chromium
	$(BIN)/python -m pytest $(SERVED)

test-others: $(DEVELOPMENT)
	$(BIN)/python -m pytest $(SERVED:%=--ignore=%) $(PACKAGES:%=--cov=%) --cov-report=term --cov-fail-under=90

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(DEVELOPMENT)  ## every figure of benchmarks/RESULTS.md that takes minutes, not hours
	$(BIN)/python -m benchmarks.folder_loading
	$(BIN)/python -m benchmarks.training_speed
	$(BIN)/python -m benchmarks.training_profile
	$(BIN)/python -m benchmarks.im2col_speed
	$(BIN)/python -m benchmarks.demo_runs
	$(BIN)/python -m benchmarks.shortcut_methods
	$(BIN)/python -m benchmarks.dashboard_speed
	$(BIN)/pip install --quiet --requirement benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.explain_speed
	$(BIN)/python -m benchmarks.precompute_speed
	$(BIN)/python -m benchmarks.quality_speed

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sightline needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable .
	@touch $@

# All at once, and without compiling what no test will ever import.
$(DEVELOPMENT): requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --no-compile --requirement requirements-dev.txt
	@touch $(RUNTIME) $@

# The browser tests drive Debian's Chromium; where it cannot be installed they say so (and fail in CI).
chromium:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update --quiet=2 && apt-get install --quiet=2 --yes chromium >/dev/null; \
	else echo "The browser tests need Chromium; on Debian or Ubuntu: sudo apt-get install chromium"; fi
