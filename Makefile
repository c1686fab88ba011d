# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`.
.PHONY: all build demo test bootstrap check fuzz cuda-all install clean

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
	tools/check_format.sh

test: build check
	ctest --test-dir build -LE gpu --output-on-failure --no-tests=error -j $(JOBS)

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
