#!/usr/bin/env bash
# On the GPU machine: an older build against a newer one, run after run in turn, with random weights and noise: VAE 2.2 decoding of 161 frames, VAE 2.1
# encoding of 81, a step of T2V-A14B with guidance; and why the first forward pass of a step takes longer than the second. For the last, the same video
# with its prompts exchanged and with one prompt twice: a difference that changes its sign with the prompts comes from the data, one that stays
# from the order. OUT gets table.txt, forwards.txt, the logs and records. By the sum of its runs some 7 minutes on an H200.
# Usage: gpu_percents.sh PACK OUT OLD_PACK     (unpacked packs of tools/gpu_pack.sh)
set -uo pipefail
if [ $# -ne 3 ]; then
  echo "usage: gpu_percents.sh PACK OUT OLD_PACK" >&2
  exit 2
fi
pack=$(cd "$1" && pwd) && old=$(cd "$3" && pwd) || exit 2
for folder in "$pack" "$old"; do
  [ -x "$folder/bin/wanbench" ] || { echo "$folder: expected an unpacked pack with bin/wanbench; make one by tools/gpu_pack.sh" >&2; exit 2; }
done
mkdir -p "$2" && out=$(cd "$2" && pwd) || exit 2
here=$(cd "$(dirname "$0")" && pwd)
cudnn=$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0] + "/lib")' 2>/dev/null || true)
status=0
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader | tee "$out/card.txt"

wanbench() {  # old|new ARGUMENTS...
  local folder=$pack
  [ "$1" = new ] || folder=$old
  shift
  LD_LIBRARY_PATH="$cudnn:$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$folder/bin/wanbench" "$@"
}

pairs() {  # NAME COUNT ARGUMENTS of generate...
  local name=$1 count=$2 i build
  shift 2
  echo "== $name" >&2
  for i in $(seq "$count"); do
    for build in old new; do
      wanbench "$build" generate --weights random --device cuda --offload none --discard --yes --verbose --seed 42 --prompt "A small sailing boat" "$@" \
        >"$out/$name-$build-$i.log" 2>&1 || { tail -3 "$out/$name-$build-$i.log" >&2; status=1; }
    done
  done
}

measure() {  # BUILD FOLDER ARGUMENTS of run..., of the suite of this script
  local build=$1 folder=$2
  shift 2
  echo "== $folder" >&2
  wanbench "$build" run --suite "$out/suite.json" --weights random --device cuda --no-video --repeats 1 --warmups 0 --cool-down 0 --output "$out/$folder" "$@" \
    >"$out/$folder.log" 2>&1 || { tail -3 "$out/$folder.log" >&2; status=1; }
}

python3 - "$out/suite.json" <<'SUITE'
import json, sys

boat = "A small sailing boat crosses a calm bay at sunset, seen from a cliff, with gulls in the sky"
bad = "vivid colors, overexposed, static, blurry details, subtitles, worst quality, low quality, JPEG artifacts, deformed, extra fingers, messy background"


def case(name, size, steps, prompt, negative):
    return {"name": name, "width": size[0], "height": size[1], "steps": steps, "prompt": prompt, "negative_prompt": negative}


small = (832, 480)
cases = [case("step_720p", (1280, 720), 2, boat, bad), case("as_it_is", small, 4, boat, bad),
         case("exchanged", small, 4, bad, boat), case("one_prompt", small, 4, boat, boat)]
defaults = {"model": "t2v-A14B", "num_frames": 81, "guidance_scale": 4.0, "guidance_scale_2": 3.0, "solver": "unipc", "seed": 42, "offload": "none"}
suite = {"schema": "wanbench.suite", "format": 1, "name": "percents", "version": "1", "notes": "Of tools/gpu_percents.sh.", "defaults": defaults, "cases": cases}
open(sys.argv[1], "w", encoding="utf-8").write(json.dumps(suite, indent=2))
SUITE

pairs decode 3 --model ti2v-5B --size 1280x704 --num-frames 161 --steps 1 --guidance-scale 1
pairs encode 2 --model i2v-A14B --recipe lightning-4 --size 832x480 --num-frames 81 --image "$pack/share/wanbench/suites/sailing-boat-832x480.jpg"
measure old step-old --case step_720p
measure new step-new --case step_720p
measure new forwards --case as_it_is --case exchanged --case one_prompt
measure new traced --case as_it_is --trace-kernels
wanbench new report "$out/traced" >"$out/report.log" 2>&1 || { tail -3 "$out/report.log" >&2; status=1; }

python3 - "$out" <<'TABLE' | tee "$out/table.txt"
import json, pathlib, re, statistics, sys

folder = pathlib.Path(sys.argv[1])


def spread(values):
    if not values:
        return "- not run"
    return f"{statistics.median(values):.3f} s [{min(values):.3f}, {max(values):.3f}], n = {len(values)}"


def ratio(new, old):
    return f"{statistics.median(new) / statistics.median(old):.4f}x" if new and old else "- not run"


def printed(name, build, stage):
    texts = [file.read_text() for file in sorted(folder.glob(f"{name}-{build}-*.log"))]
    return [float(value) for text in texts for value in re.findall(rf"^{stage}\s+([\d.]+)$", text, re.M)]


def hashes(name, build):
    return [re.findall(r"\b[0-9a-f]{64}\b", file.read_text())[-1:] for file in sorted(folder.glob(f"{name}-{build}-*.log"))]


def same_bytes(name):
    found = hashes(name, "old") + hashes(name, "new")
    if not found or not all(found):
        return "bytes: - a run said no hash"
    return "bytes: identical" if len({found_in_run[0] for found_in_run in found}) == 1 else "bytes: DIFFERENT"


def records(part):
    files = sorted((folder / part).glob("records/*.run.json"))
    return [record for record in map(lambda file: json.loads(file.read_text()), files) if record["status"] == "ok"]


def passes(record, name):
    """Of every step but the first, in which the text's keys and values are worked out."""
    return [row["wall_ns"] * 1e-9 for row in record["stages"] if row["name"] == name and re.fullmatch(r"Step_[1-9]\d*_Inference", row["parent"])]


def steps(part):
    return [row["wall_ns"] * 1e-9 for record in records(part) for row in record["stages"] if re.fullmatch(r"Step_[1-9]\d*_Inference", row["name"])]


for name, stage, what in (("decode", "VAE_Decoding", "VAE 2.2 decoding, 161 frames"), ("encode", "VAE_Encoding", "VAE 2.1 encoding, 81 frames 832x480")):
    old, new = printed(name, "old", stage), printed(name, "new", stage)
    print(f"{what}: old {spread(old)}; new {spread(new)}; {ratio(new, old)}; {same_bytes(name)}")
old, new = steps("step-old"), steps("step-new")
print(f"A14B step 1280x720: old {spread(old)}; new {spread(new)}; {ratio(new, old)}")
for record in records("step-old") + records("step-new") + records("forwards"):
    first, second = passes(record, "cond"), passes(record, "uncond")
    print(f"{record['case']['name']}: first pass {spread(first)}; second {spread(second)}; {ratio(first, second)}")
TABLE
trace=$(ls "$out"/traced/trace.json "$out"/traced/trace.json.gz 2>/dev/null | head -1)
if [ -n "$trace" ]; then
  "$here/forward_kernels.py" "$trace" | tee "$out/forwards.txt" || status=1
else
  echo "no trace of the passes: see $out/report.log" >&2
  status=1
fi
if grep -q -e DIFFERENT -e "not run" -e "no hash" "$out/table.txt"; then status=1; fi
exit $status
