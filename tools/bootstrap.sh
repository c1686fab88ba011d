#!/usr/bin/env bash
# Installs what is missing for a purpose: Debian packages, and PyPI wheels (pinned by version and hash) in .venv. Does nothing, and
# asks no network, when all is there.
#   tools/bootstrap.sh [--offline | --list] [demo | test | fuzz | slurm]
#   demo (the default)  what building the program and running it needs; headers from PyPI only where nvcc is
#   test                and what the tests and checks need
#   fuzz                and a compiler with libFuzzer
#   slurm               as demo, and what `make slurm-test` starts: Slurm, whose services are not
#   --offline           installs nothing: names what is missing and fails
#   --list              prints the Debian packages and the lists of PyPI wheels, and does nothing else
set -euo pipefail
cd "$(dirname "$0")/.."

mode=install purpose=demo
for argument in "$@"; do
  case "$argument" in
    --offline | --list) mode=${argument#--} ;;
    demo | test | fuzz | slurm) purpose=$argument ;;
    *)
      echo "bootstrap: '$argument' is none of --offline, --list, demo, test, fuzz, slurm" >&2
      exit 2
      ;;
  esac
done

packages=(
  g++ make cmake ninja-build ccache git pkg-config
  libfmt-dev nlohmann-json3-dev libcli11-dev libboost-dev libtomlplusplus-dev libssl-dev libsqlite3-dev
  libdnnl-dev ocl-icd-opencl-dev libpng-dev zlib1g-dev libicu-dev libsentencepiece-dev libre2-dev
  libavcodec-dev libavformat-dev libavutil-dev libswscale-dev libswresample-dev
)
# One name on Debian, another on Ubuntu.
if apt-cache show libjpeg62-turbo-dev >/dev/null 2>&1; then packages+=(libjpeg62-turbo-dev); else packages+=(libjpeg-dev); fi
optional=(libjs-chart.js)
wheels=() optional_wheels=()
nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null || true)
if [ -n "$nvcc" ]; then
  packages+=(python3 python3-venv)
  wheels+=(tools/requirements-cuda.txt)
fi
if [ "$purpose" = test ] || [ "$purpose" = fuzz ]; then
  packages+=(python3 python3-venv python3-numpy xz-utils ffmpeg libgtest-dev libgmock-dev libbenchmark-dev)
  optional+=(chromium)
  optional_wheels+=(tools/requirements-optional.txt tools/requirements-format.txt)
fi
if [ "$purpose" = fuzz ]; then packages+=(clang libclang-rt-dev libomp-dev); fi
if [ "$purpose" = slurm ]; then packages+=(slurm-wlm python3); fi

if [ "$mode" = list ]; then
  printf '%s\n' "${packages[@]}" "${optional[@]}" | sort -u
  for list in "${wheels[@]}" "${optional_wheels[@]}"; do echo "-r $list"; done
  exit
fi

is_installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
stamp_of() { echo ".venv/.$(sha256sum "$1" | cut -c1-16)"; }

missing=() extra=()
for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
for package in "${optional[@]}"; do is_installed "$package" || extra+=("$package"); done

if [ "$mode" = offline ]; then
  for list in "${wheels[@]}"; do [ -e "$(stamp_of "$list")" ] || missing+=("-r $list"); done
  for list in "${optional_wheels[@]}"; do [ -e "$(stamp_of "$list")" ] || extra+=("-r $list"); done
  [ ${#extra[@]} = 0 ] || echo "bootstrap: done without ${extra[*]}" >&2
  if [ ${#missing[@]} -gt 0 ]; then
    echo "bootstrap: --offline, and these are missing: ${missing[*]} (docs/install.md says how to bring them)" >&2
    exit 1
  fi
  exit
fi

run_as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
install_packages() {
  run_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

if [ ${#missing[@]} -gt 0 ] || [ ${#extra[@]} -gt 0 ]; then
  run_as_root apt-get update -q || [ ${#missing[@]} = 0 ]
fi
if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
# Without these a report has no charts, and the tests that need a browser are skipped with a reason.
for package in "${extra[@]}"; do
  install_packages "$package" || echo "bootstrap: $package is not available here" >&2
done

install_wheels() {
  [ -x .venv/bin/python ] || python3 -m venv .venv
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$1" &&
    touch "$(stamp_of "$1")"
}
for list in "${wheels[@]}"; do [ -e "$(stamp_of "$list")" ] || install_wheels "$list"; done
# Without these the checks that need them are skipped with a reason, each by itself.
for list in "${optional_wheels[@]}"; do
  [ -e "$(stamp_of "$list")" ] || install_wheels "$list" || echo "bootstrap: $list cannot be installed here" >&2
done
