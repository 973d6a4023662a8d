# Every target sets up what it needs in .venv. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUNTIME := $(VENV)/.runtime
TOOLS := $(VENV)/.tools
WORLD_CLIPS ?= 1500
UNSEEN_CLIPS ?= 300
# There is a process for each core already: with a thread for each core in each of them, arithmetic takes up to four times as long.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
FAST := not services and not slow and not gpu
PINS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint types architecture ci format schemas gpu-report world-bundle starter-bundle results constraints clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: $(RUNTIME) ## judge clips of known truth on an embedded broker; writes out/demo.html
	@mkdir -p out
	$(BIN)/earshot demo --report out/demo.html

# One process more than cores, as some tests wait for a broker. A file's quick tests share what they make; what is slow goes one by one
# to whoever is free: the longest take as long as a hundred others.
WORKERS = $(shell $(PYTHON) -c "import os; print(1 + (os.cpu_count() or 1))")
test: $(TOOLS) ## the tests, with a real Kafka broker, a real Redis and a real browser
	$(BIN)/python -m tests.services
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "$(FAST)"
	$(PYTEST) -n $(WORKERS) --dist loadgroup -m "not ($(FAST))"

test-fast: $(TOOLS) ## the tests that need no service and little time
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "$(FAST)"

lint: $(TOOLS) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(TOOLS) ## types
	$(BIN)/mypy

architecture: $(TOOLS) ## what may import what
	$(BIN)/python -m pytest -q tests/test_architecture.py

ci: lint types architecture test ## what has to pass

format: $(TOOLS) ## bring the code into the shape that lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Trained on one world and looked at on another that it has never seen.
WORLD := out/world
world-bundle: $(TOOLS) ## train the shipped world bundle from nothing, and say how right it is
	rm -rf $(WORLD)
	$(BIN)/earshot world render $(WORLD)/train --clips $(WORLD_CLIPS) --seed 1
	$(BIN)/earshot world render $(WORLD)/unseen --clips $(UNSEEN_CLIPS) --seed 2
	@for part in train unseen; do \
	  echo "decode $(WORLD)/$$part"; \
	  $(BIN)/earshot decode --save $(WORLD)/$$part --json $(WORLD)/$$part/*.mp4 > $(WORLD)/$$part/decoded.jsonl || exit 1; \
	done
	$(BIN)/earshot train --recipe world --data $(WORLD)/train --out $(WORLD)/run
	$(BIN)/earshot export $(WORLD)/run/checkpoint.safetensors --out engines/bundles/world
	$(BIN)/earshot verify engines/bundles/world --checkpoint $(WORLD)/run/checkpoint.safetensors
	$(BIN)/earshot evaluate engines/bundles/world --data $(WORLD)/unseen

DATASET ?= out/composed
FEATURES ?= out/features
WORDS ?= out/words

# The towers come from packages; what is trained above them, from stored features. SESA's licence is not settled: what is shipped does
# not learn from it, and hears with the published layers, as an ear that is tuned without SESA's shots hears shots less well. What is
# there of data, features and words is not made again.
STARTER := out/starter
starter-bundle: $(TOOLS) ## train the shipped starter bundle on the composed clips; needs EARSHOT_DATA
	test -f $(DATASET)/dataset.json || $(BIN)/earshot dataset compose --out $(DATASET)
	test -f $(WORDS)/words.safetensors || $(BIN)/earshot distil --data $(EARSHOT_DATA) --out $(WORDS)
	$(BIN)/earshot dataset features $(DATASET) --out $(FEATURES) --augment 1 --noisy
	$(BIN)/earshot train --recipe starter --data $(FEATURES) --words $(WORDS) --without sesa --threads 1 --out $(STARTER)
	$(BIN)/earshot export $(STARTER)/checkpoint.safetensors --out $(STARTER)/small --trained engines/checkpoints/starter.safetensors
	$(BIN)/earshot calibrate $(STARTER)/small --data $(DATASET) --without sesa --out engines/bundles/starter
	$(BIN)/earshot remember engines/bundles/starter --features $(FEATURES) --out engines/bundles/starter
	$(BIN)/earshot verify engines/bundles/starter --checkpoint $(STARTER)/checkpoint.safetensors
	$(BIN)/earshot export $(STARTER)/checkpoint.safetensors --exact --out $(STARTER)/exact
	$(BIN)/earshot verify engines/bundles/starter --against $(STARTER)/exact --data $(DATASET) --batches 1000

# An experiment, which may learn from all sets: the ear is tuned to them, SESA's training recordings among them.
HEARD ?= out/features_hearing
HEARING ?= out/hearing
ARMS ?= out/arms

# Seeds: 8 for what the goals compare, 4 for the rest. A run that is in $(ARMS) is not made again.
COMPARED := vl audio audio_text vlmae late_average late_average_text late_stacked
results: $(TOOLS) ## train the arms on stored features, compare them, write docs/results, and say how long it took
	@test -f $(HEARD)/features.json || { echo "No features in $(HEARD). Make them: earshot dataset compose --out $(DATASET), \
	earshot distil --out $(WORDS), earshot hearing $(DATASET) --out $(HEARING), \
	earshot dataset features $(DATASET) --out $(HEARD) --hearing $(HEARING) --augment 1 --noisy"; exit 1; }
	@started=$$(date +%s) && \
	$(BIN)/earshot arms --features $(HEARD) --words $(WORDS) --out $(ARMS) --seeds 4 && \
	$(BIN)/earshot arms --features $(HEARD) --words $(WORDS) --out $(ARMS) --seeds 8 $(COMPARED:%=--arm %) && \
	$(BIN)/earshot evaluate arms --runs $(ARMS) --dataset $(DATASET) --out docs/results && \
	echo "results: $$(( ($$(date +%s) - started) / 60 )) minutes"

gpu-report: $(TOOLS) ## on a machine with a GPU: build plans, measure them, pass them through the gate, write docs/results/gpu.*
	$(PIP) install -q -c constraints.txt -e ".[tensorrt]"
	$(BIN)/earshot build starter
	$(BIN)/earshot bench gpu --report docs/results
	$(BIN)/python -m pytest -q tests/gpu
	$(BIN)/earshot verify starter --runner trt --against ort --threads 16 --json > docs/results/gpu_gate.json

schemas: $(RUNTIME) ## write docs/schemas again, after a change of records
	$(BIN)/python -m streamer.wire.schemas docs/schemas

constraints: $(TOOLS) ## pin what is installed now
	$(BIN)/python -m pip freeze --all --exclude-editable > constraints.txt

clean: ## remove all that the other targets made
	rm -rf $(VENV) .cache out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Earshot needs Python 3.11 or newer; $(PYTHON) is not. Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment. On Debian: apt-get install python3-venv"; exit 1; }

# Dependency groups need a newer pip than Python 3.11 brings.
$(RUNTIME): $(PINS) | $(BIN)/python
	@echo "Installing the pinned runtime into $(VENV) (once)"
	@$(PIP) install -q -c constraints.txt --upgrade pip
	@$(PIP) install -q -c constraints.txt -e .
	@touch $@

$(TOOLS): $(RUNTIME)
	@echo "Installing what training and tests need into $(VENV) (once; PyTorch is large)"
	@$(PIP) install -q -c constraints.txt -e ".[train,active,huggingface,privacy]" --group test
	@$(PIP) install -q -c constraints.txt --no-deps --group starter
	@touch $@
