#!/usr/bin/env bash
# On the GPU machine: what `compare` says of settings whose difference is known, with warm videos of the 5B model's sizes and
# random weights: 8 against 10 steps, resident against streamed weights, one setting twice; before that, that a case too large for
# the card is a row of the report and the next case goes on. Prints PASS or FAIL for each check; about 3 minutes on an H100.
# Usage: gpu_compare.sh WANBENCH
set -uo pipefail
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() {  # WHAT CONDITION...
  local what=$1
  shift
  if "$@"; then echo "PASS $what"; else echo "FAIL $what"; failed=$((failed + 1)); fi
}

case_of() { printf '{"name": "%s", "steps": %s, "offload": "%s"}' "$1" "$2" "$3"; }
suite() {  # NAME CASES
  cat >"$work/$1.json" <<SUITE
{"schema": "wanbench.suite", "format": 1, "name": "$1", "version": "1",
 "defaults": {"random_weights": true, "model": "ti2v-5B", "width": 832, "height": 480, "num_frames": 33, "prompt": "x"},
 "cases": [$2]}
SUITE
}
run() {  # NAME OPTIONS...
  local name=$1
  shift
  "$program" run --suite "$work/$name.json" --output "$work/out-$name" --device cuda --no-video --cool-down 20 "$@" \
    >"$work/$name.log" 2>&1
}
verdict() { awk -v row="$1" '$0 ~ "^  " row {print $NF; exit}' "$work/$2.txt"; }
compare() {  # NAME EXPECTED_CODE A B OPTIONS...
  local name=$1 code=$2
  shift 2
  echo "== $name: compare ${*//$work\//}"
  "$program" compare "$@" >"$work/$name.txt" 2>&1
  local got=$?
  cat "$work/$name.txt"
  check "$name: exit code $code" test "$got" = "$code"
}

echo "== a case too large for the card"
# 1.48 million tokens: 145 GiB of activations and weights, more than an H200 has.
suite large '{"name": "too_large", "steps": 1, "width": 3840, "height": 2176, "num_frames": 721, "offload": "none"}, {"name": "fits", "steps": 1}'
run large
check "a suite with a case that the card could never hold is refused before its first" test $? = 2
check "the largest that fits is named" grep -q "the largest that fits" "$work/large.log"
run large --allow-too-large
check "the suite ends with code 1" test $? = 1
grep -E "too_large|fits" "$work/out-large/report.md" | head -4
check "the report has the row" grep -q "| too_large .*| oom" "$work/out-large/report.md"
check "the next case goes on" grep -q "1 ok, 1 not ok" "$work/large.log"

warm="--repeats 0 --warm-repeats 5 --order grouped"
suite eight "$(case_of steps 8 none)"
suite ten "$(case_of steps 10 none)"
suite streamed "$(case_of steps 8 stream)"
cp "$work/eight.json" "$work/again.json"
for name in eight ten streamed again; do
  # shellcheck disable=SC2086
  run $name $warm || { tail -5 "$work/$name.log"; failed=$((failed + 1)); }
done

compare steps_refused 5 "$work/out-eight" "$work/out-ten"
compare steps 0 "$work/out-eight" "$work/out-ten" --allow-different steps
check "10 steps are SLOWER than 8" test "$(verdict Total steps)" = SLOWER
compare gate 3 "$work/out-eight" "$work/out-ten" --allow-different steps --fail-if-slower 5
compare offload 0 "$work/out-eight" "$work/out-streamed" --allow-different offload
check "streaming is not FASTER" test "$(verdict Total offload)" != FASTER
compare twice 0 "$work/out-eight" "$work/out-again"
case "$(verdict Total twice)" in SAME | INCONCLUSIVE) same=true ;; *) same=false ;; esac
check "one setting twice is SAME or INCONCLUSIVE" $same

[ "$failed" = 0 ] && echo PASS || echo "FAIL: $failed checks"
exit $((failed != 0))
