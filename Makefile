# Every target sets up what it needs; `make demo` and `make test` work on a fresh clone.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
DEMO := .demo

# Two processes are as many as a small machine has cores; the PostgreSQL server is one per process.
TEST_PROCESSES ?= 2

.PHONY: help setup demo dev test bench mutants lint format lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    run the main job on a synthetic company, from nothing"
	@echo "make dev     open Dagster's UI on the demo project"
	@echo "make test    run all tests"
	@echo "make bench   measure speed, as ratios (docs/benchmarks.md; ROWS=word chooses)"
	@echo "make mutants change the code line by line and see whether the tests notice (docs/mutation-testing.md)"
	@echo "make lint    check format, style, types and import rules"
	@echo "make format  format the code"
	@echo "make setup   make $(VENV) (the other targets do it by themselves)"
	@echo "make lock    choose package versions anew and write them to requirements*.lock"
	@echo "make clean   remove $(VENV), the demo's folder and caches"

setup: $(READY)

$(READY): requirements-dev.lock pyproject.toml
	@python=; for candidate in "$$PYTHON" python3 python3.13 python3.12 python3.11; do \
		if [ -n "$$candidate" ] && command -v "$$candidate" >/dev/null 2>&1 \
			&& "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
		; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "okr-sync needs Python 3.11 to 3.14, and none was found (python3 is: $$(python3 --version 2>&1))."; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version): about a minute the first time."; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	@$(BIN)/okr-sync demo $(DEMO)

# exec: make passes a signal to its own child only, which must be the command and not a shell.
dev: demo
	@echo "Dagster's UI: http://127.0.0.1:3000 (stop it with Ctrl-C)"
	@DAGSTER_HOME=$(CURDIR)/$(DEMO)/dagster OKR_SYNC_PROJECT=$(CURDIR)/$(DEMO)/project exec \
		$(BIN)/okr-sync sandbox $(DEMO)/account -- \
		$(BIN)/dg dev -w workspace.yaml --host 127.0.0.1 --port 3000

test: $(READY)
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

# Nice: the ratios are of CPU seconds, so whatever else runs here may go first.
bench: $(READY)
	@nice -n 5 $(BIN)/python -m benchmarks $(if $(REPEATS),--repeats $(REPEATS)) $(ARGS) $(ROWS)

# Hours for all of it; MUTANTS="okr_sync.progress*" takes the ones whose names fit.
mutants: $(READY)
	@nice -n 10 $(BIN)/mutmut run --max-children 2 $(MUTANTS)
	@$(BIN)/mutmut results

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# --universal: one lock for every Python and system that pyproject.toml admits, told apart by
# markers. No index host and no path may get into the locks: --no-header and --no-emit-* see to it.
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--upgrade --quiet --no-header --no-emit-index-url --no-emit-find-links --no-annotate

lock: $(READY)
	env -u UV_FIND_LINKS $(LOCK) --output-file requirements.lock
	env -u UV_FIND_LINKS $(LOCK) --extra kubernetes --constraint requirements.lock \
		--output-file requirements-kubernetes.lock
	env -u UV_FIND_LINKS $(LOCK) --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock

clean:
	rm -rf $(VENV) $(DEMO) build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
