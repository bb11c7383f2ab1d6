# `make` with no target lists the targets. Every target prepares what it needs, from a bare machine on.

SHELL := /bin/sh
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Bytecode belongs into .venv, which is thrown away whole, never beside the sources.
export PYTHONDONTWRITEBYTECODE := 1

# A file of customers for `make demo`; without it the demo makes its own.
CUSTOMERS ?=

.PHONY: help machine tools demo test test-fast lint format bench soak lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 14

machine: ## install what a bare machine lacks (says what; apt as root on Debian)
	@scripts/machine.sh

.venv/.stamp: requirements.lock pyproject.toml scripts/uv.txt scripts/venv.sh scripts/link_package.py
	@scripts/machine.sh
	@scripts/venv.sh
	@touch $@

tools: .venv/.stamp ## build a cluster's programs and images from source, for machines without a registry; half an hour, once
	@scripts/machine.sh cluster
	@scripts/dockerd.sh
	@python tools/build.py --all >/dev/null
	@python tools/images.py

demo: .venv/.stamp ## train, promote, score and publish a day on this machine [CUSTOMERS=file.csv]
	@CUSTOMERS="$(CUSTOMERS)" scripts/demo.sh

lint: .venv/.stamp ## formatting, lint, types, and the contracts between the rooms of the house
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-cache

format: .venv/.stamp ## rewrite the sources in the project's format
	ruff format .
	ruff check --fix .

test-fast: .venv/.stamp ## tests without a cluster, without kills, nothing beyond loopback; under 3 minutes
	pytest -n 2 -m "not slow and not kills and not cluster"

test: .venv/.stamp ## everything that continuous integration runs: lint, tools, unit, kills, cluster [STAGES="lint unit"]
	@python scripts/stages.py $(STAGES)

soak: .venv/.stamp ## the long tests: 420 kills, 200 random flows; figures go to benchmarks/
	python -m benchmarks.soak
	python -m benchmarks differential

bench: .venv/.stamp ## ratios against named rivals on this machine; figures go to benchmarks/figures.json
	python -m benchmarks

lock: ## resolve again and write requirements.lock and one lock per image
	@scripts/machine.sh
	@scripts/venv.sh lock

clean: ## remove what make and the demo wrote into this checkout
	rm -rf .venv .platform .metaflow .pytest_cache .ruff_cache .mypy_cache .hypothesis
