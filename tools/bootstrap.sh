#!/usr/bin/env bash
# Installs what the build, the tests and the report need: Debian packages, and PyPI wheels (pinned by version and hash) in .venv.
# CUDA-side wheels are fetched only where nvcc is. Does nothing when all is there. `tools/bootstrap.sh fuzz` adds what fuzzing needs.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  build-essential cmake ninja-build ccache git pkg-config python3 python3-venv python3-numpy xz-utils
  libfmt-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libssl-dev libsqlite3-dev
  libdnnl-dev ocl-icd-opencl-dev libpng-dev zlib1g-dev libicu-dev libsentencepiece-dev libre2-dev
  libavcodec-dev libavformat-dev libavutil-dev libswscale-dev ffmpeg
  libgtest-dev libgmock-dev libbenchmark-dev
)
# One name on Debian, another on Ubuntu.
if apt-cache show libjpeg62-turbo-dev >/dev/null 2>&1; then packages+=(libjpeg62-turbo-dev); else packages+=(libjpeg-dev); fi
optional=(chromium libjs-chart.js)
# For `make fuzz`: a compiler with libFuzzer and its run-time libraries.
if [ "${1:-}" = fuzz ]; then packages+=(clang libclang-rt-dev libomp-dev); fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
extra=()
for package in "${optional[@]}"; do
  dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || extra+=("$package")
done

run_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

if [ ${#missing[@]} -gt 0 ] || [ ${#extra[@]} -gt 0 ]; then
  run_as_root apt-get update -q
fi
if [ ${#missing[@]} -gt 0 ]; then
  run_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
fi
# Without these the tests that need a browser are skipped with a reason.
for package in "${extra[@]}"; do
  run_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$package" ||
    echo "bootstrap: $package is not available here" >&2
done

nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
wanted=tools/requirements.txt
[ -n "$nvcc" ] && wanted=tools/requirements-cuda.txt
stamp=.venv/.$(sha256sum "$wanted" | cut -c1-16)
if [ ! -e "$stamp" ]; then
  python3 -m venv .venv
  if grep -q '==' "$wanted"; then
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r "$wanted"
  fi
  touch "$stamp"
fi
# Without these the checks that need them are skipped with a reason, each by itself.
for wanted in tools/requirements-optional.txt tools/requirements-format.txt; do
  stamp=.venv/.$(sha256sum "$wanted" | cut -c1-16)
  if [ ! -e "$stamp" ]; then
    if .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$wanted"; then
      touch "$stamp"
    else
      echo "bootstrap: $wanted cannot be installed here" >&2
    fi
  fi
done
