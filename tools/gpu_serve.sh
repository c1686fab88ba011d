#!/usr/bin/env bash
# On the GPU machine, in an unpacked pack: what serving adds to the warm time of `run`, for the 5B model in 3 steps and A14B in 4, and how soon a
# cancelled video frees the card. Needs a program that writes mp4 and has the HTTP server (WITH_VIDEO=1 tools/gpu_pack.sh). OUT gets serving.json and
# serving.txt; under three minutes on an H200. Usage: gpu_serve.sh PACK_DIR OUT [--small]     (--small: the small model, on the CPU)
set -uo pipefail
pack=$(cd "${1:?usage: gpu_serve.sh PACK_DIR OUT [--small]}" && pwd)
out=${2:?usage: gpu_serve.sh PACK_DIR OUT [--small]}
shift 2
here=$(cd "$(dirname "$0")" && pwd)
program=$pack/bin/wanbench
[ -x "$program" ] || program=$pack/wanbench  # a build's folder
cudnn=$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0] + "/lib")' 2>/dev/null || true)
mkdir -p "$out"
{
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader
  LD_LIBRARY_PATH="$cudnn:$pack/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$here/measure_serving.py" "$program" "$out" "$@"
} 2>&1 | tee "$out/serving.txt"
exit "${PIPESTATUS[0]}"
