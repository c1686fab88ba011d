#!/usr/bin/env bash
# On the GPU machine: how far bf16 is from the same engine's fp32, and bf16 without its table of kernels from bf16 with it: the frames, the
# latents of each step, and each step begun with the other's latent. suites/noise-floor.json: random weights of the 5B and of T2V-A14B, and
# the small model. Then the table of kernels at the sizes that it is for. OUT gets records, stills, the report and table.txt; 5 minutes on an
# H200. Usage: gpu_fidelity.sh WANBENCH OUT
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 out=$2
suites=$here/share/wanbench/suites
[ -d "$suites" ] || suites=$here/../suites
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

"$program" run --suite "$suites/noise-floor.json" --device cuda --fidelity fp32 --no-video --cool-down 0 --output "$out/runs/noise-floor" || status=1
# The case as it is, but all of it on the card: the build may have no CPU backend.
python3 - "$suites/quick.json" >"$work/small.json" <<'PYTHON'
import json, sys
suite = json.load(open(sys.argv[1]))
suite["cases"] = [{key: value for key, value in case.items() if key not in ("device", "offload", "text_encoder_device")} for case in suite["cases"]]
json.dump(suite, sys.stdout)
PYTHON
"$program" run --suite "$work/small.json" --case 01_Text_To_Video --precision bf16 --device cuda --fidelity fp32 --no-video --cool-down 0 --output "$out/runs/small-model" || status=1
"$program" report "$out/runs" || status=1

echo "# no kernel is chosen here" >"$work/no_table.tsv"
# WHAT, then the options of both.
without_table() {
  local what=$1
  shift
  echo "== $what: $*; then without its table of kernels" | tee -a "$out/table.txt"
  local both=("$@" --weights random --precision bf16 --steps 3 --prompt x --discard --yes)
  "$program" generate "${both[@]}" --quiet --force --dump "$work/reference.safetensors" || status=1
  "$program" generate "${both[@]}" --tuning-table "$work/no_table.tsv" --replay "$work/reference.safetensors" 2>"$work/log" >"$work/result" || status=1
  grep -E "^(step |[0-9]+ |replay )|^        " "$work/result" | tee -a "$out/table.txt"
  grep -E "^error" "$work/log" | tee -a "$out/table.txt"
}
without_table "TI2V-5B" --model ti2v-5B --size 1280x704 --num-frames 161
without_table "T2V-A14B" --model t2v-A14B --size 832x480 --num-frames 81
exit $status
