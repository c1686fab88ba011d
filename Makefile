# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`.
.PHONY: all build demo test bootstrap check headers sanitize sanitize-thread fuzz cuda-all install clean

JOBS ?= $(shell nproc)
DEMO ?= build/demo

all: build

# Installs what is missing and remembers it; packages come from Debian and PyPI alone.
bootstrap:
	tools/bootstrap.sh

build: bootstrap
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS)

demo: build
	rm -rf $(DEMO)
	build/wanbench run --output $(DEMO)
	@echo "open $(DEMO)/report.html (tables in $(DEMO)/report.md, videos in $(DEMO)/videos)"

check:
	tools/check_layers.py
	tools/check_family.py
	tools/check_format.sh
	tools/check_subjects.sh

# Every header compiles alone; needs a build for its flags. 15 s on two cores.
headers: build
	tools/check_headers.py build

test: build check headers
	ctest --test-dir build -LE gpu --output-on-failure --no-tests=error -j $(JOBS)

# All programs under AddressSanitizer and UndefinedBehaviorSanitizer, less the tests labelled long.
sanitize: bootstrap
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS)
	ctest --test-dir build/asan -LE "gpu|long" --output-on-failure --no-tests=error -j $(JOBS)

# The programs with threads of their own under ThreadSanitizer.
sanitize-thread: bootstrap
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target pipeline_test suite_test measure_test
	TSAN_OPTIONS="suppressions=$(CURDIR)/tests/sanitizers/thread.supp halt_on_error=0" \
	  ctest --test-dir build/tsan -R "^(pipeline|suite|measure)\." -LE "gpu|long" --output-on-failure --no-tests=error -j $(JOBS)

fuzz:
	tools/bootstrap.sh fuzz
	tools/fuzz.sh

# Every kernel for every card the program is meant for, without a card: minutes each.
cuda-all: bootstrap
	tools/cuda_all.sh

install: build
	cmake --install build --prefix $(or $(PREFIX),/usr/local)

clean:
	rm -rf build
