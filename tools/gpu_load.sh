#!/usr/bin/env bash
# On the GPU machine, in an unpacked pack: a served T2V-A14B in 4 steps under load. The rate of orders back to back, the rate of an overloaded server,
# which is to be at least 0.97 of it, and joules a video at three loads. Needs a program that writes mp4 and has the HTTP server (WITH_VIDEO=1
# tools/gpu_pack.sh). OUT gets load.json and loading.txt; under 400 s on an H200. Usage: gpu_load.sh PACK_DIR OUT [--small | options of measure_loading.py]
set -uo pipefail
pack=$(cd "${1:?usage: gpu_load.sh PACK_DIR OUT [--small]}" && pwd)
out=${2:?usage: gpu_load.sh PACK_DIR OUT [--small]}
shift 2
here=$(cd "$(dirname "$0")" && pwd)
program=$pack/bin/wanbench
[ -x "$program" ] || program=$pack/wanbench  # a build's folder
cudnn=$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0] + "/lib")' 2>/dev/null || true)
mkdir -p "$out"
{
  command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader
  LD_LIBRARY_PATH="$cudnn:$pack/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$here/measure_loading.py" "$program" "$out" "$@"
} 2>&1 | tee "$out/loading.txt"
exit "${PIPESTATUS[0]}"
