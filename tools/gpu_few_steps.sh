#!/usr/bin/env bash
# On the GPU machine: what distilled models take in 3 and 4 steps, prompt to frames on the host, and what merging LoRAs adds to loading.
# Random weights and LoRAs; OUT gets the records, the report and loading.txt. About 8 minutes on an H200, and 40 GB of disk for the part
# that reads files (left out without a third argument). Usage: gpu_few_steps.sh WANBENCH OUT [FOLDER_FOR_A_CHECKPOINT]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 out=$2 checkpoint=${3:-}
suites=$here/share/wanbench/suites
[ -d "$suites" ] || suites=$here/../suites
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
status=0

echo "== few-steps.json: one cold run, then three warm videos of each case"
"$program" run --suite "$suites/few-steps.json" --device cuda --no-video --warm-repeats 3 --warmups 0 --output "$out/few-steps" || status=1
"$program" report "$out/few-steps" || status=1

echo "== two LoRAs of rank 64 for A14B"
"$here/make_random_lora.py" "$work/high_noise.safetensors" --seed 1 && "$here/make_random_lora.py" "$work/low_noise.safetensors" --seed 2 || exit 1
# Small and short: loading is what counts. --no-overlap has it end before anything computes.
small=(--recipe lightning-4 --prompt x --size 480x272 --num-frames 5 --device cuda --discard --no-overlap --verbose)
loras=(--lora-high "$work/high_noise.safetensors" --lora-low "$work/low_noise.safetensors")
load() {  # WHAT ARGUMENTS...
  local what=$1
  shift
  case " $* " in *" --offload "*) ;; *) set -- "$@" --offload none ;; esac
  "$program" generate "$@" "${small[@]}" >"$work/log" 2>&1 || { tail -3 "$work/log"; status=1; }
  printf '%-22s initialization %s s; frames %s\n' "$what" "$(awk '/^Model_Initialization +[0-9.]+$/ {print $2}' "$work/log")" \
    "$(awk '/sha256/ {print substr($NF, 1, 12)}' "$work/log")" | tee -a "$out/loading.txt"
}
for i in 1 2 3; do
  load "random, no LoRA" --weights random --model t2v-A14B
  load "random, two LoRAs" --weights random --model t2v-A14B "${loras[@]}"
done
if [ -n "$checkpoint" ]; then
  echo "== the same of GGUF Q8_0 files"
  "$program" make-checkpoint --model t2v-A14B --format gguf-q8_0 --output "$checkpoint" || exit 1
  for i in 1 2 3; do
    load "Q8_0, no LoRA" --checkpoint "$checkpoint"
    load "Q8_0, two LoRAs" --checkpoint "$checkpoint" "${loras[@]}"
  done
  echo "== two videos by one engine, of these files: the second one is warm"
  printf '%s\n' "A cat on a skateboard" "A dog in a boat" >"$work/prompts.txt"
  "$program" generate --checkpoint "$checkpoint" --recipe lightning-4 --size 832x480 --num-frames 81 --device cuda --discard --offload none \
    --prompts "$work/prompts.txt" --verbose 2>"$work/log" | tee "$out/warm-of-files.txt" || { tail -3 "$work/log"; status=1; }
  load "Q8_0, LoRAs, streamed" --checkpoint "$checkpoint" "${loras[@]}" --offload stream
  "$program" generate --checkpoint "$checkpoint" "${loras[@]}" "${small[@]}" | grep '^lora' | tee -a "$out/loading.txt"
fi
exit $status
