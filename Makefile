# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`. The program is built first, by itself;
# the tests add to the same folder.
.PHONY: all bootstrap build demo tests check headers test sanitize sanitize-thread fuzz slurm-test cuda-all install package package-test clean

JOBS ?= $(shell nproc)
DEMO ?= build/demo
# More for the configuration, such as CONFIGURE=-DWAN_CUDA=OFF.
CONFIGURE ?=
# OFFLINE=1: nothing is fetched; what is missing is named.
BOOTSTRAP = tools/bootstrap.sh $(if $(OFFLINE),--offline)
PACKAGES ?= build/release/packages

all: build

# Installs what the program needs where it is missing; packages come from Debian and PyPI alone.
bootstrap:
	$(BOOTSTRAP)

build: bootstrap
	cmake --preset program $(CONFIGURE)
	cmake --build --preset program -j $(JOBS)

demo: build
	rm -rf $(DEMO)
	build/wanbench run --output $(DEMO)
	@echo "open $(DEMO)/report.html (tables in $(DEMO)/report.md, videos in $(DEMO)/videos)"
	@echo "for videos of your own, by a page and an API: build/wanbench serve"

tests:
	$(BOOTSTRAP) test
	cmake --preset dev $(CONFIGURE)
	cmake --build --preset dev -j $(JOBS)

check:
	tools/check_layers.py
	tools/check_family.py
	tools/check_format.sh
	tools/check_subjects.sh

# Every header compiles alone; needs a build for its flags. 15 s on two cores.
headers: tests
	tools/check_headers.py build

test: tests check headers
	ctest --test-dir build -LE gpu --output-on-failure --no-tests=error -j $(JOBS)

# All programs under AddressSanitizer and UndefinedBehaviorSanitizer, less the tests labelled long; with PROGRAMS="base io" those alone.
sanitize:
	$(BOOTSTRAP) test
	cmake --preset asan
	cmake --build --preset asan -j $(JOBS) $(if $(PROGRAMS),--target $(PROGRAMS:%=%_test))
	ctest --test-dir build/asan $(if $(PROGRAMS),-R "^($(shell echo $(PROGRAMS) | tr ' ' '|'))\.") -LE "gpu|long" --output-on-failure --no-tests=error -j $(JOBS)

# The programs with threads of their own under ThreadSanitizer.
sanitize-thread:
	$(BOOTSTRAP) test
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target comm_test pipeline_test suite_test measure_test
	TSAN_OPTIONS="suppressions=$(CURDIR)/tests/sanitizers/thread.supp halt_on_error=0" \
	  ctest --test-dir build/tsan -R "^(comm|pipeline|suite|measure)\." -LE "gpu|long" --output-on-failure --no-tests=error -j $(JOBS)

fuzz:
	$(BOOTSTRAP) fuzz
	tools/fuzz.py

# An array on a real Slurm of one node, on 127.0.0.1 and in a temporary folder. As root; its services are not used.
slurm-test:
	$(BOOTSTRAP) slurm
	cmake --preset program $(CONFIGURE)
	cmake --build --preset program -j $(JOBS)
	tests/slurm/slurm_test.py build

# Every kernel for every card the program is meant for, without a card: minutes each.
cuda-all: bootstrap
	tools/cuda_all.sh

install: build
	cmake --install build --prefix $(or $(PREFIX),/usr/local)

# A tar.xz that runs from any folder, and a .deb.
package: bootstrap
	cmake --preset release $(CONFIGURE)
	cmake --build --preset release -j $(JOBS)
	cd build/release && cpack -B packages

package-test: package
	tools/package_test.sh $(PACKAGES)

clean:
	rm -rf build
