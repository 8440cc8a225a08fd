# `make help` lists the targets. Everything is installed into .venv; nothing else on the machine changes.

DATA_DIR = .palimpsest
PORT =
KAFKA =
TESTS = $(addprefix tests/unit/,billing content generation identity policies privacy teams)
BIN = .venv/bin
PYTEST = $(BIN)/python -m pytest
COMPILE = .venv/lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(OPTIONS)

# Python must cache bytecode, whatever the environment says: processes start in half the time.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run kafka test fast checks lint bench chaos mutants lock sbom audit clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

run: .venv/runtime  ## Start everything on this machine; options: PORT=8000, DATA_DIR=.palimpsest, KAFKA=1 (also publish to Kafka)
	@exec $(BIN)/palimpsest --data-dir "$(DATA_DIR)" up $(if $(PORT),--port "$(PORT)") \
		$(if $(filter-out 0 no,$(KAFKA)),--kafka)

kafka: .venv/runtime  ## Start only a Kafka broker and print its address; options: PORT=9092, DATA_DIR=.palimpsest
	@exec $(BIN)/palimpsest --data-dir "$(DATA_DIR)" kafka $(if $(PORT),--port "$(PORT)")

test: checks  ## Run all checks and tests, on real servers
	@.ci/java
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

fast: lint  ## Run the quick checks, and the tests of the rules, in seconds; options: TESTS=tests/unit/http (others)
	$(PYTEST) -n 2 -m "not programs" --hypothesis-profile fast $(TESTS)

checks: lint  ## Run all checks without tests: format, lint, import rules, types
	$(BIN)/mypy

lint: .venv/development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

bench: .venv/development  ## Compare speeds with those of peers; options: ONLY=append, JSON=FILE, ROUNDS=5
	@.ci/java
	$(BIN)/python -m tests.bench $(if $(ONLY),--only "$(ONLY)") $(if $(JSON),--json "$(JSON)") \
		$(if $(ROUNDS),--rounds "$(ROUNDS)")

chaos: .venv/development  ## Kill servers under load, then check the invariants (half the time without brokers, a quarter with 1, a quarter with 3); then attack beside ordinary clients; options: MINUTES=10, SEED=7, ATTACK=1 (minutes)
	@.ci/java
	$(BIN)/python -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ATTACK),--attack $(ATTACK))

mutants: .venv/development  ## Change the code in one place at a time and look whether a test fails; run again to go on; options: SEED=7, MINUTES=60, COUNT=50 (of each room), ONLY=projector, QUICK=1 (no servers)
	@.ci/java
	$(BIN)/python -m tests.mutants $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(COUNT),--count $(COUNT)) $(if $(ONLY),--only "$(ONLY)") $(if $(filter-out 0 no,$(QUICK)),--no-servers)

lock: .venv/lock/installed  ## Update the lock files; OPTIONS=--upgrade takes newer versions
	$(COMPILE) --extra build pyproject.toml -o requirements.lock
	$(COMPILE) --extra build --extra dev -c requirements.lock pyproject.toml -o tests/requirements.lock
	$(COMPILE) .ci/lock.in -o .ci/lock.txt

sbom: .venv/lock/installed  ## Write sbom.json: every Python package with its version and hashes (CycloneDX)
	.venv/lock/bin/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml -o sbom.json requirements.lock

audit: .venv/lock/installed  ## Ask PyPI whether packages have known vulnerabilities
	.venv/lock/bin/pip-audit --strict --disable-pip --require-hashes -r requirements.lock

clean:  ## Remove the environment and all caches; the data stays
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .mutants .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.*' -prune -exec rm -rf {} +

.venv/runtime: requirements.lock pyproject.toml .ci/environment
	@.ci/environment requirements.lock
	@touch $@

.venv/development: tests/requirements.lock pyproject.toml .ci/environment
	@.ci/environment tests/requirements.lock
	@touch $@ .venv/runtime

.venv/lock/installed: .venv/development .ci/lock.txt
	$(BIN)/python -m venv .venv/lock
	.venv/lock/bin/pip install -q --require-hashes --no-deps -r .ci/lock.txt
	@touch $@
