#!/usr/bin/env bash
# On the GPU machine: measures two PyTorch programs that know nothing of wanbench, one by its NVTX ranges, one of the official
# program's shape by the Python shim, and checks the stages of their records. Prints PASS or FAIL for each check.
# Usage: gpu_external.sh WANBENCH
# WANBENCH: the program itself, not a script that starts it; the injection library and the shim are found beside it. Needs PyTorch.
set -uo pipefail
program=$(readlink -f "$1")
here=$(cd "$(dirname "$0")" && pwd)
external=$here/external
[ -d "$external" ] || external=$here/../tests/external
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/suite.json" <<'SUITE'
{"schema": "wanbench.suite", "format": 1, "name": "external", "version": "1",
 "cases": [{"name": "external", "width": 512, "height": 512, "num_frames": 1, "steps": 3, "prompt": "x"}]}
SUITE

measure() {
  local name=$1 command=$2
  "$program" run --suite "$work/suite.json" --output "$work/$name" --engine command --command "$command" --device cuda \
    --no-video --cool-down 0 >"$work/$name.log" 2>&1 || { tail -20 "$work/$name.log"; }
}

measure nvtx "python3 $external/nvtx_torch.py {steps}"
measure shim "python3 $external/official/generate.py ti2v {steps} 8192"
measure swap "python3 $external/official/generate.py t2v 4 8192"
measure oom "python3 $external/official/generate.py ti2v {steps} 8192 True 1"

python3 - "$work" <<'CHECK'
import glob, json, sys
failed = 0


def check(what, holds, found=""):
    global failed
    failed += not holds
    print("PASS" if holds else "FAIL", what, "" if holds else found)


def record(name):
    files = glob.glob(f"{sys.argv[1]}/{name}/records/*.run.json")
    if not files:
        check(f"{name}: a record", False, open(f"{sys.argv[1]}/{name}.log").read()[-2000:])
        return None, {}
    data = json.load(open(files[0]))
    return data, {stage["id"]: stage for stage in data["stages"]}


def show(name, data, stages):
    print(f"== {name}: {data['status']}, stages by {data['engine']['marker_source']}, {data['engine']['facts']}")
    for stage in stages.values():
        begin = stage["begin_ns"]["value"]
        print(f"   {stage['id']:<36} {stage['kind']:<10} {'' if begin is None else round(begin / 1e6, 2)!s:>10} ms"
              f" {stage['wall_ns'] / 1e6:10.2f} ms {','.join(stage['flags'])}")


def expect(name, status, source, leaves):
    data, stages = record(name)
    if data is None:
        return data, stages
    show(name, data, stages)
    check(f"{name}: {status}", data["status"] == status, data.get("error"))
    check(f"{name}: stages by {source}", data["engine"]["marker_source"] == source, data["engine"]["marker_source"])
    found = [i for i, s in stages.items() if s["kind"] == "leaf" and i != "Unattributed"]
    check(f"{name}: its leaves", found == leaves, found)
    leaf_ns = sum(s["wall_ns"] for s in stages.values() if s["kind"] == "leaf")
    check(f"{name}: leaves tile the total", leaf_ns == stages["Total_Execution"]["wall_ns"])
    check(f"{name}: no failure of the shim", "shim_failure" not in data["engine"]["facts"])
    return data, stages


STEPS = ["Step_0_Inference", "Step_1_Inference", "Step_2_Inference"]
data, stages = expect("nvtx", "ok", "nvtx", ["load", *STEPS, "decode"])
check("nvtx: a nested range is a part", stages.get("Step_1_Inference/product", {}).get("kind") == "component")
check("nvtx: steps are numbered", stages.get("Step_2_Inference", {}).get("index") == 2)

data, stages = expect("shim", "ok", "shim", ["Model_Initialization", "T5_Encoding", "Step_0_Loading", *STEPS,
                                             "VAE_Decoding", "Output_Encoding"])
if data is not None:
    facts = data["engine"]["facts"]
    check("shim: edges are CUDA events", facts.get("shim_clock") == "cuda_event", facts)
    drift = float(facts.get("shim_clock_drift_us", "inf"))
    check("shim: clocks agree within 1 ms", abs(drift) < 1000, drift)
    check("shim: PyTorch's version is kept", "torch" in data["engine"]["versions"], data["engine"]["versions"])
    # 16 products of 8192^3 in fp32: 17.6 TFLOP, at least 0.02 s on any card; the host queues them in well under 1 ms.
    times = [stages[name]["wall_ns"] / 1e9 for name in STEPS if name in stages]
    check("shim: a step is as long as its work on the card", len(times) == 3 and min(times) > 0.02, times)
    check("shim: equal steps are equally long", len(times) == 3 and times[2] < 1.2 * times[1], times)

expect("swap", "ok", "shim", ["Model_Initialization", "T5_Encoding", "Step_0_Loading", "Step_0_Inference", "Step_1_Inference",
                              "Step_2_Loading", "Step_2_Inference", "Step_3_Inference", "VAE_Decoding", "Output_Encoding"])
data, stages = expect("oom", "oom", "shim", ["Model_Initialization", "T5_Encoding", "Step_0_Loading", "Step_0_Inference",
                                             "Step_1_Inference"])
if data is not None:
    check("oom: names the stage", data["error"]["stage"] == "Step_1_Inference", data["error"]["stage"])
print("PASS" if failed == 0 else f"FAIL: {failed} checks")
sys.exit(failed != 0)
CHECK
