#!/usr/bin/env bash
# On the GPU machine: what reusing steps gains, of random weights at the published sizes and with the published curves: the schedule is
# planned from the curve, so times and forwards are those of real weights; fidelity is not, and the table says so. OUT gets the table, the
# report, and records.tar.xz. Usage: gpu_ablate.sh PART WANBENCH OUT [OPTION of `wanbench ablate`...]
#   5b    TI2V-5B, 1280x704, 161 frames, 50 steps: the default, MagCache as published and looser, EasyCache, guidance from half of the steps on
#         without the negative prompt; 460 s on an H200 (expected of denoising: 117, 60, 50, 60, 88 s; 12 s a run beside it)
#   a14b  T2V-A14B, 832x480, 81 frames, 40 steps: the default and MagCache as published; 370 s (193 and 135 s; 20 s a run beside it)
# LIMIT is the time limit of each, in seconds: what would not end in time is listed as not run.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
part=$1 program=$2 out=$3
shift 3
suites=$here/share/wanbench/suites
[ -d "$suites" ] || suites=$here/../suites
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

# SUITE CASE STEPS: that case alone, with as many steps and weights wherever the memory plan has them.
suite_of() {
  python3 - "$suites/$1" "$2" "$3" "$work/suite.json" <<'PYTHON'
import json, sys
suite = json.load(open(sys.argv[1]))
suite["cases"] = [case | {"steps": int(sys.argv[3]), "offload": "auto", "notes": ""} for case in suite["cases"] if case["name"] == sys.argv[2]]
json.dump(suite, open(sys.argv[4], "w"))
PYTHON
}

# CASE LEVERS LIMIT, then further options.
ablate() {
  local case=$1 levers=$2 limit=$3
  shift 3
  "$program" ablate "$case" --suite "$work/suite.json" --weights random --device cuda --levers "$levers" --cool-down 0 --no-video \
    --time-limit "${LIMIT:-$limit}" --output "$work/run" "$@" >"$out/table.txt" || status=1
  cat "$out/table.txt"
  cp "$work"/run/ablation.json "$work"/run/report.html "$work"/run/report.md "$out/"
  tar -C "$work/run" --exclude '*samples.json' --exclude '*spans.json' -cJf "$out/records.tar.xz" ablation.json records
}

case $part in
  5b)
    suite_of ti2v-5b.json 01_Speed_Preview_on_card 50
    ablate 01_Speed_Preview_on_card magcache,magcache-loose,easycache,cfg-gate-0.5 460 "$@"
    ;;
  a14b)
    suite_of t2v-a14b.json 480p_resident 40
    ablate 480p_resident magcache 370 "$@"
    ;;
  *)
    echo "gpu_ablate.sh: '$part' is neither 5b nor a14b" >&2
    exit 2
    ;;
esac
exit $status
