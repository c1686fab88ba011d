#!/usr/bin/env bash
# On the GPU machine, in an unpacked pack: all GPU tests and benchmarks in one go; a failing test fails the whole.
# Usage: gpu_run.sh [CUDNN_LIB_DIR]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cudnn=${1:-$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0] + "/lib")' 2>/dev/null || true)}
status=0
# Only our programs see the carried libraries.
with() { env LD_LIBRARY_PATH="$cudnn:$here/lib" WANBENCH_FIXTURES="$here/fixtures" "$@"; }
program=$(mktemp)
trap 'rm -f "$program"' EXIT
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$cudnn:$here/lib" "$here/bin/wanbench" >"$program"
chmod +x "$program"

nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader
echo "== operations against double references"
with "$here/bin/backend_cuda_test" --gtest_brief=1 || status=1
echo "== VAE decoders on the official latents"
with "$here/bin/vae_golden_cuda_test" | grep -E "error|FAILED|PASSED" || status=1
echo "== convolutions"
with "$here/bin/bench_conv" check || status=1
echo "== attention"
with "$here/bin/bench_attention" check || status=1
echo "== golden miniatures"
"$here/gpu_golden.sh" "$program" "$here/fixtures" || status=1
if command -v compute-sanitizer >/dev/null; then
  echo "== memcheck of a miniature pipeline"
  compute-sanitizer --tool memcheck --target-processes all --error-exitcode 1 "$program" generate \
    --checkpoint "$here/fixtures/mini-ti2v-t2v" --prompt x --size 96x64 --num-frames 13 --steps 2 --device cuda --discard || status=1
fi
echo "== one seed, twice and in every residency: one video"
for offload in none none stream mapped; do
  "$program" generate --checkpoint "$here/fixtures/mini-ti2v-t2v" --prompt x --size 96x64 --num-frames 13 --steps 2 --device cuda \
    --offload $offload --discard | grep sha256
done | { lines=$(cat); echo "$lines" | sort | uniq -c; [ "$(grep -c sha256 <<<"$lines")" = 4 ] && [ "$(sort -u <<<"$lines" | wc -l)" = 1 ]; } || status=1
echo "== kernels of a step, and its floor"
with "$here/bin/wan_kernel_bench" --step 5
with "$here/bin/wan_kernel_bench" --floor 20
exit $status
