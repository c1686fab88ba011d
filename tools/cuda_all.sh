#!/usr/bin/env bash
# Compiles every kernel for each card the program is meant for, one at a time, and prints how long each took: whether they all still compile is
# seen without a card. Objects only, in build/cuda/. What this nvcc does not know is named. Usage: [JOBS=2] tools/cuda_all.sh [ARCHITECTURE...]
set -euo pipefail
cd "$(dirname "$0")/.."
architectures=("$@")
[ $# -gt 0 ] || architectures=(80 89 90a 100 120)
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
known=$("$nvcc" --list-gpu-arch)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
for architecture in "${architectures[@]}"; do
  if ! grep -qx "compute_${architecture%[af]}" <<<"$known"; then
    echo "sm_$architecture: left out, $("$nvcc" --version | grep -o 'release [0-9.]*') of nvcc does not know it"
    continue
  fi
  build=build/cuda/$architecture
  begin=$SECONDS
  if cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWAN_WERROR=ON -DWAN_CUDA=ON -DWAN_CPU=OFF -DWAN_VIDEO=OFF -DWAN_TESTS=OFF \
    -DCMAKE_CUDA_ARCHITECTURES="$architecture" >"$log" 2>&1 && cmake --build "$build" -j "${JOBS:-2}" --target wan_cuda_backend >>"$log" 2>&1; then
    echo "sm_$architecture: $(find "$build/src/backend/cuda" -name '*.cu.o' | wc -l) files of kernels in $((SECONDS - begin)) s"
  else
    echo "sm_$architecture: FAILED after $((SECONDS - begin)) s"
    tail -n 20 "$log"
    status=1
  fi
done
exit $status
