# A small front door to CMake and Ninja; `make help` lists what it does. The build itself is in CMakeLists.txt.

BUILD  ?= build
TYPE   ?= Release
WERROR ?= $(if $(SEAM_WERROR),$(SEAM_WERROR),OFF)
JOBS   ?= $(shell getconf _NPROCESSORS_ONLN)
# Seconds per fuzz target.
FUZZ_SECONDS ?= 60
PREFIX ?= /usr/local
# More arguments for ctest, as CTEST_ARGS='-R fabric -V'.
CTEST_ARGS ?=

configure = cmake -S . -G Ninja -DSEAM_WERROR=$(WERROR)
ctest     = ctest --output-on-failure --no-tests=error

.DEFAULT_GOAL := build
.PHONY: build setup setup-cross demo run test check golden asan tsan fuzz bench format format-check tidy layers \
        cross thimble-eval install clean help plan-accuracy gpu-test gpu-bench

##@ Daily

build: ## build/seam and the tests (the default)
	@$(configure) -B $(BUILD) -DCMAKE_BUILD_TYPE=$(TYPE) $(CMAKE_ARGS) >/dev/null
	@cmake --build $(BUILD) -j $(JOBS)

setup: ## install what is missing (idempotent; says what it will do)
	@tools/setup.sh

demo: ## a sweep node, a decode node and a server answer two questions
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@tools/demo.sh

run: ## start the demo's pool and leave the server up
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@tools/run.sh

install: build ## install under PREFIX (/usr/local)
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove all build folders
	rm -rf $(BUILD) build-*

##@ Proof

test: ## setup, build, and every test
	@tools/setup.sh
	@$(MAKE) --no-print-directory build
	@cd $(BUILD) && $(ctest) $(CTEST_ARGS)

check: build ## unit tests only, under a minute
	@cd $(BUILD) && $(ctest) -L unit -LE heavy -j $(JOBS) $(CTEST_ARGS)

golden: build ## logits against the committed references
	@cd $(BUILD) && $(ctest) -R 'golden|engine_test|tokenizer_test' $(CTEST_ARGS)

asan: ## build and test with ASan and UBSan (build-asan)
	@$(MAKE) --no-print-directory build BUILD=build-asan CMAKE_ARGS="-DSEAM_SANITIZE=address,undefined"
	@cd build-asan && ASAN_OPTIONS=$${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1} \
	  UBSAN_OPTIONS=$${UBSAN_OPTIONS:-print_stacktrace=1} \
	  LSAN_OPTIONS=suppressions=$(CURDIR)/cmake/lsan.supp:print_suppressions=0 $(ctest) $(CTEST_ARGS)

tsan: ## unit tests of base, fabric and pool under ThreadSanitizer (build-tsan)
	@$(MAKE) --no-print-directory build BUILD=build-tsan CMAKE_ARGS="-DSEAM_SANITIZE=thread"
	@cd build-tsan && TSAN_OPTIONS=suppressions=$(CURDIR)/cmake/tsan.supp:halt_on_error=1 \
	  $(ctest) -L '^(base|fabric|pool)$$' -LE heavy $(CTEST_ARGS)

fuzz: ## libFuzzer with ASan + UBSan, FUZZ_SECONDS=60 for each target (build-fuzz)
	@$(MAKE) --no-print-directory build BUILD=build-fuzz \
	  CMAKE_ARGS="-DSEAM_FUZZ=ON -DCMAKE_C_COMPILER=clang -DSEAM_SANITIZE=address,undefined"
	@tools/fuzz.sh build-fuzz $(FUZZ_SECONDS)

bench: build ## this machine beside llama-bench and its own limits (BENCH_ARGS='-l PATH FILE...')
	@tools/bench.sh -b $(BUILD)/seam $(BENCH_ARGS)

plan-accuracy: build ## probe, plan, then measure three models: how near a plan of this machine is (25 minutes or more, a quiet machine)
	@tools/plan_accuracy.py -b $(BUILD)/seam -w $(BUILD)/plan-accuracy -o bench/results/plan-accuracy-$$(date +%F).json all

gpu-test: ## on a machine with an NVIDIA GPU: kernels, the sweep against the CPU, 40 prompts of thimble
	@$(MAKE) --no-print-directory build CMAKE_ARGS="-DSEAM_CUDA=ON"
	@tools/gpu.sh test $(BUILD)

gpu-bench: ## there: `seam bench sweep` on Kimi K2.6's shapes into bench/results (40 GB of disk, 48 GB of memory)
	@$(MAKE) --no-print-directory build CMAKE_ARGS="-DSEAM_CUDA=ON"
	@tools/gpu.sh bench $(BUILD)

layers: ## fail when an include points upwards; print the arrows
	@python3 tools/layers.py

format: ## clang-format the files that differ from the last commit (ALL=1: every file)
	@tools/format.sh $(if $(ALL),all,changed)

format-check: ## fail when a file is not formatted
	@tools/format.sh check

tidy: build ## clang-tidy over src (FILES=... for some)
	@tools/tidy.sh $(BUILD) $(FILES)

thimble-eval: build ## score the bundled model on its held-out tasks
	@tools/thimble/eval.sh

##@ Other machines

setup-cross: ## what `make cross` needs: aarch64 compiler and emulator, zig
	@tools/setup.sh cross

cross: ## aarch64 build with its unit tests in qemu; macOS objects with zig
	@tests/cross/aarch64.sh
	@tests/cross/macos.sh

##@ This

help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@ / { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
