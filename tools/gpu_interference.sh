#!/usr/bin/env bash
# Proves that a disturbed run is flagged and an undisturbed one is not: a small suite alone, beside a second process on the GPU (where
# there is one), and beside a loop on every core. Prints one line a case and fails when one is wrong.
# Usage: tools/gpu_interference.sh WANBENCH [cpu|cuda] [GENERATE OPTIONS of the case]
set -uo pipefail
wanbench=$1 device=${2:-cuda}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d)
hogs=()
end_hogs() {
  [ ${#hogs[@]} -gt 0 ] && kill "${hogs[@]}" 2>/dev/null
  wait "${hogs[@]}" 2>/dev/null
  hogs=()
}
trap 'end_hogs; rm -rf "$work"' EXIT
status=0

# The work of a run: on a card the published 5B shapes with random weights, else the small checkpoint.
if [ "$device" = cuda ]; then
  request='"model": "ti2v-5B", "random_weights": true, "width": 640, "height": 352, "num_frames": 41, "steps": 6'
  model=(--weights random --model ti2v-5B --size 640x352 --num-frames 41)
else
  request='"width": 192, "height": 128, "num_frames": 17, "steps": 20'
fi
cat >"$work/suite.json" <<JSON
{"schema": "wanbench.suite", "format": 1, "name": "interference", "version": "1", "cases": [{"name": "case", "prompt": "x", "device": "${device/%cuda/cuda:0}", $request}]}
JSON

# flags_of NAME: runs the suite and prints the names of its flags.
flags_of() {
  "$wanbench" run --suite "$work/suite.json" --output "$work/$1" --no-video --cool-down 0 >"$work/$1.log" 2>&1 || tail -3 "$work/$1.log" >&2
  python3 - "$work/$1" <<'PY'
import glob, json, sys
flags = [f["name"] for name in glob.glob(sys.argv[1] + "/records/*.run.json") for f in json.load(open(name))["validity"]]
print(" ".join(sorted(set(flags))) or "none")
PY
}

# expect NAME PATTERN: wants a flag that matches; an empty pattern wants none about others.
expect() {
  local name=$1 pattern=$2 flags
  flags=$(flags_of "$name")
  local disturbed='foreign_gpu_process|gpu_not_idle|gpu_interference|cpu_interference'
  if [ -n "$pattern" ] && grep -qwE "$pattern" <<<"$flags"; then verdict="right"
  elif [ -z "$pattern" ] && ! grep -qwE "$disturbed" <<<"$flags"; then verdict="right"
  else verdict="WRONG"; status=1; fi
  printf '%-22s flags: %-60s %s\n' "$name" "$flags" "$verdict"
}

expect alone ""
if [ "$device" = cuda ]; then
  "$wanbench" generate "${model[@]}" --steps 1000 --prompt x --discard --device cuda >"$work/hog.log" 2>&1 &
  hogs+=($!)
  for _ in $(seq 60); do grep -q "step 2/" "$work/hog.log" && break; sleep 0.5; done
  expect beside_a_gpu_hog "foreign_gpu_process|gpu_not_idle|gpu_interference"
  end_hogs
  sleep 3
fi
for _ in $(seq "$(nproc)"); do
  sh -c 'while :; do :; done' &
  hogs+=($!)
done
expect beside_a_cpu_hog "cpu_interference"
end_hogs
sleep 1
expect alone_again ""
exit $status
