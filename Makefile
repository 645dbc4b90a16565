# The commands of this project; `make help` lists them. CMake does the building.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
BUILD := build/release

.PHONY: help demo build test bench eval torture two-services sanitize fuzz clean deps test-deps configure

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: build ## install what is missing, build, and run the main job before your eyes (ARGS="--exit --seed 2")
	$(BUILD)/tidewaiter demo $(ARGS)

build: configure ## install what is missing and build build/release/tidewaiter
	@cmake --build $(BUILD) -j $(JOBS) --target tidewaiter

test: deps test-deps ## the whole suite, real servers included
	@cmake --preset release -DTIDEWAITER_TESTS=ON > $(BUILD).configure.log || { cat $(BUILD).configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS)
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error -j $(JOBS)

bench: deps ## measure: CPU per event of each stage, beside bare primitives
	@scripts/install-packages.sh bench
	@cmake --preset release > $(BUILD).configure.log || { cat $(BUILD).configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS) --target tidewaiter benches
	@for program in $(BUILD)/bench/*_bench; do $$program $(ARGS) || exit; done

eval: deps ## score generated companies, and labelled data of other people (EVAL_DATA=DIR, see docs/detectors.md), with the detectors
	@[ -z "$(EVAL_DATA)" ] || [ -d "$(EVAL_DATA)" ] || { echo "make eval EVAL_DATA=DIR: $(EVAL_DATA) is no directory"; exit 2; }
	@scripts/install-packages.sh bench
	@cmake --preset release > $(BUILD).configure.log || { cat $(BUILD).configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS) --target eval tidewaiter
	@/usr/bin/python3 scripts/eval.py --tool $(BUILD)/bench/eval --generator $(BUILD)/tidewaiter --work build/eval \
	  $(if $(EVAL_DATA),--data $(EVAL_DATA)) $(ARGS)

torture: deps test-deps ## kill service and broker at random moments and at every failpoint (MINUTES=10, SEED=... to replay)
	@cmake --preset release -DTIDEWAITER_TESTS=ON > $(BUILD).configure.log || { cat $(BUILD).configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS) --target tidewaiter kafka_tool
	@TIDEWAITER_BIN=$(CURDIR)/$(BUILD)/tidewaiter PYTHONPATH=tests /usr/bin/python3 tests/e2e/torture_test.py \
	  --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

two-services: deps test-deps ## two services in one group, one killed at random (MINUTES=10, SEED=... to replay)
	@cmake --preset release -DTIDEWAITER_TESTS=ON > $(BUILD).configure.log || { cat $(BUILD).configure.log; exit 1; }
	@cmake --build $(BUILD) -j $(JOBS) --target tidewaiter kafka_tool
	@TIDEWAITER_BIN=$(CURDIR)/$(BUILD)/tidewaiter PYTHONPATH=tests /usr/bin/python3 tests/e2e/two_services_test.py \
	  --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

sanitize: deps test-deps ## the unit tests under sanitizers
	@for preset in dev tsan; do cmake --preset $$preset -DTIDEWAITER_TESTS=ON > /dev/null && \
	  cmake --build --preset $$preset -j $(JOBS) && ctest --preset $$preset -L unit -j $(JOBS) || exit; done

fuzz: deps ## run each fuzz target for SECONDS_EACH seconds (60)
	@scripts/install-packages.sh test fuzz
	@cmake --preset fuzz > /dev/null && cmake --build --preset fuzz -j $(JOBS)
	@scripts/run-fuzzers.sh build/fuzz/fuzz $(or $(SECONDS_EACH),60)

clean: ## remove what was built, but keep what was downloaded (build/deps)
	@find build -mindepth 1 -maxdepth 1 ! -name deps -exec rm -rf {} + 2> /dev/null || true

deps:
	@mkdir -p build
	@scripts/install-packages.sh build
	@scripts/fetch-valijson.sh
	@scripts/build-librdkafka.sh

test-deps:
	@scripts/install-packages.sh test
	@scripts/fetch-test-servers.sh

configure: deps
	@cmake --preset release > $(BUILD).configure.log || { cat $(BUILD).configure.log; exit 1; }
