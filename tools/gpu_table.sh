#!/usr/bin/env bash
# On the GPU machine: measures every row of docs/results/h100-ti2v-5b.md's table and prints it. The rows' times add up to some 14 minutes
# on an H100 with the checkpoint in the page cache; parts whose folder is there already are not run again, so that it can be done in pieces.
# Usage: gpu_table.sh WANBENCH CHECKPOINT OUTPUT [KERNEL_BENCH [REPEATS]]
# CHECKPOINT: TI2V-5B in the official layout, or as `wanbench make-checkpoint --model ti2v-5B` writes it. KERNEL_BENCH: wan_kernel_bench, for the floor.
# Only prints, from what OUTPUT holds, when CHECKPOINT is "-".
set -uo pipefail
if [ $# -lt 3 ]; then
  echo "usage: gpu_table.sh WANBENCH CHECKPOINT OUTPUT [KERNEL_BENCH [REPEATS]]" >&2
  exit 2
fi
wanbench=$1 checkpoint=$2 output=$3 bench=${4:-} repeats=${5:-5}
here=$(cd "$(dirname "$0")" && pwd)
suites=$here/share/wanbench/suites
[ -d "$suites" ] || suites=$here/../suites
mkdir -p "$output"

part() {  # FOLDER CASE OPTIONS...
  local folder=$output/$1 case=$2
  shift 2
  [ ! -e "$folder" ] || return 0
  echo "== $case $*" >&2
  "$wanbench" run --suite "$suites/ti2v-5b.json" --checkpoint "$checkpoint" --case "$case" --repeats "$repeats" --warmups 0 \
    --cool-down 0 --output "$folder" "$@" >"$folder.log" 2>&1 || tail -3 "$folder.log" >&2
}

generate() {  # FILE OPTIONS..., its table of stages
  local file=$output/$1.txt
  shift
  [ ! -e "$file" ] || return 0
  for _ in $(seq "$repeats"); do
    "$wanbench" generate --checkpoint "$checkpoint" --prompt x --size 1280x704 --steps 1 --discard "$@" 2>>"$file.log"
  done >"$file.part" && mv "$file.part" "$file"
}

if [ "$checkpoint" != - ]; then
  part on_card 01_Speed_Preview_on_card
  part streamed 01_Speed_Preview_streamed --no-video
  part seed_setting 01_Speed_Preview_seed_setting
  part long 361_Frames_streamed --no-video
  generate no_overlap --num-frames 5 --no-overlap
  generate fp32_vae --num-frames 161 --vae-precision fp32
  part evicted 01_Speed_Preview_on_card --page-cache evict
  if [ -n "$bench" ] && [ ! -e "$output/floor.txt" ]; then "$bench" --floor 20 >"$output/floor.txt" 2>&1; fi
fi

python3 - "$output" <<'TABLE'
import json, pathlib, re, statistics, sys

folder = pathlib.Path(sys.argv[1])


def spread(values, unit="s", digits=3):
    if not values:
        return "– not run"
    if len(values) == 1:
        return f"{values[0]:.{digits}f} {unit}, single run"
    return f"{statistics.median(values):.{digits}f} {unit} [{min(values):.{digits}f}, {max(values):.{digits}f}], n = {len(values)}"


class Runs:
    """The runs of one part that ended well."""

    def __init__(self, name):
        files = sorted((folder / name).glob("records/*.run.json"))
        self.runs = [run for run in map(lambda file: json.loads(file.read_text()), files) if run["status"] == "ok"]

    def each(self, of):
        return [value for value in map(of, self.runs) if value is not None]

    def stage(self, wanted):
        return self.each(lambda run: next((s["wall_ns"] * 1e-9 for s in run["stages"] if s["name"] == wanted), None))

    def step(self):
        def steady(run):
            steps = [s["wall_ns"] * 1e-9 for s in run["stages"] if re.fullmatch(r"Step_[1-9]\d*_Inference", s["name"])]
            return statistics.median(steps) if steps else None

        return self.each(steady)

    def peak(self, key):
        def of_whole_run(run):
            value = next(s["device_memory"][key]["value"] for s in run["stages"] if s["name"] == "Total_Execution")
            return None if value is None else value / 2**30

        return self.each(of_whole_run)

    def waits(self):
        def waited(stage):
            if stage["name"] == "Model_Initialization" or re.fullmatch(r"Step_\d+_Loading", stage["name"]):
                return stage["wall_ns"]
            return stage["exposed_copy_ns"]["value"] or 0 if stage["name"] == "T5_Encoding" else 0

        return self.each(lambda run: sum(map(waited, run["stages"])) * 1e-9)


def printed(name, stage):
    file = folder / f"{name}.txt"
    text = file.read_text() if file.exists() else ""
    return [float(value) for value in re.findall(rf"^{stage}\s+([\d.]+)$", text, re.M)]


def floor():
    file = folder / "floor.txt"
    found = re.search(r"floor of a step.*?: ([\d.]+) s", file.read_text()) if file.exists() else None
    return f"{float(found[1]):.3f} s" if found else "– not run"


on_card, streamed, seed, long, evicted = map(Runs, ("on_card", "streamed", "seed_setting", "long", "evicted"))
total = "Total_Execution"
rows = [
    ("DiT step with guidance", spread(on_card.step())),
    ("floor: products and attention for 20 s", floor()),
    ("VAE decode to bytes on the host", spread(on_card.stage("VAE_Decoding"))),
    ("the same in fp32", spread(printed("fp32_vae", "VAE_Decoding"))),
    ("text encoder alone", spread(printed("no_overlap", "T5_Encoding"))),
    ("Model_Initialization, --no-overlap", spread(printed("no_overlap", "Model_Initialization"))),
    ("initialization and waits, overlapped", spread(on_card.waits())),
    ("whole case 01, mp4", spread(on_card.stage(total), digits=2)),
    ("whole case 01, empty caches", spread(evicted.stage(total), digits=2)),
    ("seed's own setting, mp4", spread(seed.stage(total), digits=2)),
    ("peak, resident", spread(on_card.peak("process_peak_bytes"), "GiB", 2)),
    ("peak by our own count, resident", spread(on_card.peak("pool_peak_bytes"), "GiB", 2)),
    ("peak, streamed", spread(streamed.peak("process_peak_bytes"), "GiB", 2)),
    ("step, streamed", spread(streamed.step())),
    ("361 frames streamed: peak", spread(long.peak("process_peak_bytes"), "GiB", 2)),
    ("361 frames streamed: step", spread(long.step())),
]
print(f"{'':40} median [lowest, highest]")
for name, text in rows:
    print(f"{name:40} {text}")
TABLE
