#!/usr/bin/env bash
# On the GPU machine, in an unpacked pack that WITH_VIDEO=1 made: the models of clips, S2V-14B and Animate-14B. `check` holds the card to the official
# tensors, counts what memcheck finds, and compares residencies; `measure` times steps beside the floor that products and attention alone need in the
# same run, and prints the table of docs/results/h200-clips.md. FIXTURES, for check: where tests/golden/mini-{s2v,animate}.tar.xz are unpacked.
# Usage: gpu_clips.sh PACK_DIR OUT check FIXTURES | measure [SUITE...]
set -uo pipefail
pack=$(cd "${1:?usage: gpu_clips.sh PACK_DIR OUT check FIXTURES | measure [SUITE...]}" && pwd)
out=${2:?usage: gpu_clips.sh PACK_DIR OUT check FIXTURES | measure [SUITE...]} what=${3:?usage: gpu_clips.sh PACK_DIR OUT check FIXTURES | measure [SUITE...]}
shift 3
fixtures=
[ "$what" = measure ] || fixtures=$(cd "${1:?check needs the folder of the fixtures}" && pwd)
cudnn=$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0] + "/lib")' 2>/dev/null || true)
with() { env LD_LIBRARY_PATH="$cudnn:$pack/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" WANBENCH_FIXTURES="$fixtures" WANBENCH_TEST_DEVICE=cuda:0 "$@"; }
program=$pack/bin/wanbench suites=$pack/share/wanbench/suites
mkdir -p "$out"
status=0
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader | tee "$out/card.txt"

check() {
  echo "== operations against double references"
  with "$pack/bin/backend_cuda_test" --gtest_brief=1 || status=1
  echo "== both miniatures and their variants in fp32 and bf16, in every residency"
  with "$pack/bin/clips_cuda_test" --gtest_filter='-*Refuses*' || status=1
  command -v compute-sanitizer >/dev/null || { echo "no compute-sanitizer here"; return; }
  echo "== memcheck of both"
  for tests in 'SpeechToVideo.TheMp4*' 'Animate.ReadsTheFilms*'; do
    with compute-sanitizer --tool memcheck --target-processes all --error-exitcode 1 "$pack/bin/clips_cuda_test" --gtest_brief=1 --gtest_filter="$tests" || status=1
  done
}

measure() {
  local suite model size
  [ $# -gt 0 ] || set -- s2v-14b animate-14b
  for suite in "$@"; do
    case $suite in
      s2v-14b) model=s2v-1024x704 size=1024x704 ;;
      *) model=animate-720p size=1280x720 ;;
    esac
    echo "== $suite: resident, the floor, streamed"
    run "$suite" "${size}_resident"
    with "$pack/bin/wan_kernel_bench" --floor 20 --model "$model" | tee "$out/floor-$suite.txt" | tail -1 || status=1
    run "$suite" "${size}_streamed"
  done
  python3 - "$out" <<'TABLE' | tee "$out/table.txt"
import json, pathlib, re, statistics, sys

folder = pathlib.Path(sys.argv[1])


def spread(values, unit="s", digits=3):
    if not values:
        return "- not run"
    return f"{statistics.median(values):.{digits}f} {unit} [{min(values):.{digits}f}, {max(values):.{digits}f}], n = {len(values)}"


def stages(suite, case):
    for file in sorted((folder / suite / case).glob("records/*.run.json")):
        record = json.loads(file.read_text())
        if record["status"] == "ok":
            return record["stages"]
    return []


def times(rows, name, kind="leaf"):
    return [row["wall_ns"] * 1e-9 for row in rows if row["kind"] == kind and re.fullmatch(name, row["name"])]


for suite, size in (("s2v-14b", "1024x704"), ("animate-14b", "1280x720")):
    floor_file = folder / f"floor-{suite}.txt"
    floor = re.search(r"floor of a step.*?([\d.]+) s \(median layer", floor_file.read_text()) if floor_file.exists() else None
    for residency in ("resident", "streamed"):
        rows = stages(suite, f"{size}_{residency}")
        if not rows:
            continue
        first, later = (times(rows, rf"Clip_{clip}_Step_\d+_Inference") for clip in ("0", r"[1-9]\d*"))
        print(f"{suite} {residency}: first clip's step {spread(first)}")
        print(f"{suite} {residency}: later clip's step {spread(later)}")
        if floor and later:
            print(f"{suite} {residency}: over the floor of {float(floor[1]):.3f} s: {statistics.median(later) / float(floor[1]):.4f}")
        for name in ("Audio_Encoding", "Image_Encoding", r"Clip_\d+_Face_Encoding", "VAE_Encoding", r"Clip_\d+_VAE_Encoding", r"Clip_\d+_VAE_Decoding"):
            if found := times(rows, name):
                print(f"{suite} {residency}: {name} {' '.join(f'{value:.3f}' for value in found)}")
        last = max((int(row["name"].split("_")[1]) for row in rows if row["name"].startswith("Clip_")), default=0)
        encoded = [row["wall_ns"] * 1e-9 for row in rows if row["kind"] != "leaf" and row["name"] == "encode" and row["parent"] == f"Clip_{last}_VAE_Encoding"]
        # Of the last clip, in front of which there is one: faces and frames in, and its own decoding.
        between = sum(times(rows, rf"Clip_{last}_(Face_Encoding|VAE_Encoding|VAE_Decoding)"))
        own = sum(encoded) + sum(times(rows, rf"Clip_{last}_VAE_Decoding"))
        if encoded:
            print(f"{suite} {residency}: all between clips {between:.3f} s, of it the VAE {own:.3f} s: {between / own:.3f}")
        total = next(row for row in rows if row["name"] == "Total_Execution")
        peak = total["device_memory"]["process_peak_bytes"]["value"] or total["device_memory"]["device_peak_bytes"]["value"]
        print(f"{suite} {residency}: peak {peak / 2**30:.2f} GiB" if peak else f"{suite} {residency}: peak not measured")
TABLE
}

run() {  # SUITE CASE
  with "$program" run --suite "$suites/$1.json" --case "$2" --device cuda --no-video --repeats 1 --warmups 0 --cool-down 0 --output "$out/$1/$2" >"$out/$1-$2.log" 2>&1 ||
    { tail -5 "$out/$1-$2.log"; status=1; }
}

case $what in
  check) check ;;
  measure) measure "$@" ;;
  *) echo "check or measure, not $what" >&2; exit 2 ;;
esac
exit $status
