#!/usr/bin/env bash
# On a GPU machine: what the instrument can measure there, what it costs with each source of counters, and whether it notices being
# disturbed. About 140 s on an H100. `whole` adds one video of the 5B case with a check of every long stage's values (60 s more).
# Usage: tools/gpu_instrument.sh WANBENCH [OUTPUT_DIR] [whole]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
wanbench=$1 out=${2:-instrument}
mkdir -p "$out"
status=0

echo "== doctor"
"$wanbench" doctor | tee "$out/doctor.txt"

# A step of about 0.3 s on an H100: long against what watching does at a stage's edge, short enough for many pairs.
for counters in gpm cupti; do
  echo "== what watching costs, counters from $counters"
  "$wanbench" selftest overhead --weights random --model ti2v-5B --size 640x352 --num-frames 161 --device cuda --pairs 8 --block 6 \
    --counters "$counters" --output "$out/overhead-$counters.json"
  code=$?
  echo "exit code $code"
  [ $code -eq 0 ] || status=1
done

echo "== interference"
"$here/gpu_interference.sh" "$wanbench" cuda || status=1

if [ "${3:-}" = whole ]; then
  for counters in gpm cupti; do
    echo "== the 5B case, counters from $counters"
    cat >"$out/suite.json" <<'JSON'
{"schema": "wanbench.suite", "format": 1, "name": "instrument", "version": "1", "cases": [{"name": "5b", "model": "ti2v-5B",
 "random_weights": true, "prompt": "x", "width": 1280, "height": 704, "num_frames": 161, "steps": 5, "device": "cuda:0"}]}
JSON
    "$wanbench" run --suite "$out/suite.json" --output "$out/run-$counters" --no-video --counters "$counters" \
      --overhead "$out/overhead-$counters.json" >"$out/run-$counters.log" 2>&1 || status=1
    python3 - "$out/run-$counters" <<'PY' || status=1
import glob, json, sys
(name,) = glob.glob(sys.argv[1] + "/records/*.run.json")
record = json.load(open(name))
bad = 0
def value(x, scale=1.0, form="{:8.2f}"):
    return form.format(x["value"] * scale) if x["value"] is not None else f"{'-':>8}"
print(f"{'stage':24}{'wall s':>8}{'gpu s':>8}{'exposed':>8}{'hidden':>8}{'SM %':>8}{'tensor':>8}{'DRAM':>8}{'W':>8}{'J':>9}{'GiB':>8}{'cores':>8}")
for s in record["stages"]:
    if s["kind"] not in ("leaf", "parent"): continue
    c = s["counters"]
    counter = lambda k: f"{c[k]['mean_percent']:8.1f}" if c[k]["mean_percent"] is not None else f"{'-':>8}"
    cores = f"{s['cpu_core_ns']['value'] / s['wall_ns']:8.2f}" if s["cpu_core_ns"]["value"] is not None and s["wall_ns"] else f"{'-':>8}"
    print(f"{s['name']:24}{s['wall_ns'] * 1e-9:8.3f}" + value(s["gpu_ns"], 1e-9) + value(s["exposed_copy_ns"], 1e-9) + value(s["hidden_copy_ns"], 1e-9)
          + counter("sm_active") + counter("tensor_active") + counter("dram_active") + value(s["power_mean_w"]) + " " + value(s["energy_j"])
          + value(s["device_memory"]["process_peak_bytes"], 2**-30) + cores)
    if s["wall_ns"] > 2.5e8 and s["name"] != "Unattributed" and (c["sm_active"]["mean_percent"] is None or s["power_mean_w"]["value"] is None):
        print("  no value:", c["sm_active"]["reason"], s["power_mean_w"].get("reason", ""))
        bad = 1
print("counters:", record["engine"]["facts"].get("counters", ""), "| not read:", record["engine"]["facts"].get("counters_not_read", ""))
print("clock residual:", record["clock"]["gpu_residual_ns"], "overhead:", record["overhead_percent"])
print("integrals:", json.dumps(record.get("integrals", [])))
print("flags:", [f["name"] for f in record["validity"]])
sys.exit(bad)
PY
  done
fi
exit $status
