#!/usr/bin/env bash
# On the GPU machine: what packed weights and memory limits cost, of random weights. Usage: gpu_small_cards.sh PART WANBENCH OUT [CASE... | FORM...]
#   cold       a streamed video: as the first command of a machine that has just been started, and again for the warm time
#   steps      steps of packed and limited cases beside those of resident bf16 weights, or of the named cases; OUT gets records.tar.xz and steps.txt (8 minutes on an H200)
#   community  cases of community.json, a cold run each; of all five stored forms (12 minutes), or of those named after OUT
#   loading    from a process's start to the start of its first step, files in memory: Q4_K_M experts, then bf16 ones, each with the fp8
#              text encoder; needs 100 GB of memory and makes the files there (4 minutes)
#   hashes     one seed with its weights packed and resident, in every form; and runs under a limit just above what they are planned to take
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
part=$1 program=$2 out=$3
shift 3
suites=$here/share/wanbench/suites
[ -d "$suites" ] || suites=$here/../suites
mkdir -p "$out"
status=0

cold() {
  local begin=$EPOCHREALTIME
  "$program" generate --weights random --model t2v-A14B --size 832x480 --num-frames 81 --steps 4 --offload stream --discard --yes --verbose \
    --prompt "A small sailing boat" >"$out/cold.log" 2>&1 || status=1
  echo "$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.1f", b - a}') s, $("$program" --version | head -1)" | tee -a "$out/cold.txt"
  grep -E '^(Model_Initialization|T5_Encoding|Step_._[A-Z][a-z]*|VAE_Decoding|memory) +[0-9]' "$out/cold.log" | tee -a "$out/cold.txt"
}

steps() {
  local work
  work=$(mktemp -d)
  "$here/make_random_lora.py" "$work/high_noise.safetensors" --seed 1 >/dev/null
  "$here/make_random_lora.py" "$work/low_noise.safetensors" --seed 2 >/dev/null
  python3 - "$suites/small-cards.json" "$work/small-cards.json" <<'PYTHON'
import json, sys
suite = json.load(open(sys.argv[1]))
packed = next(case for case in suite["cases"] if case["name"].endswith("480p_q4_k_m_packed"))
suite["cases"].append(packed | {"name": packed["name"] + "_LoRA", "lora_high": ["high_noise.safetensors"], "lora_low": ["low_noise.safetensors"]})
json.dump(suite, open(sys.argv[2], "w"))
PYTHON
  local chosen=() case
  for case in "$@"; do chosen+=(--case "$case"); done
  "$program" run --suite "$work/small-cards.json" "${chosen[@]}" --device cuda --no-video --warm-repeats "${WARM:-1}" --warmups 0 --cool-down 0 --output "$work/run" || status=1
  tar -C "$work/run" --exclude '*samples.json' --exclude '*spans.json' -cJf "$out/records.tar.xz" records
  local pair
  for pair in A14B_480p A14B_720p 5B_704p; do
    "$here/step_times.py" "$work/run" --against "${pair}_resident" | grep "^$pair" | tee -a "$out/steps.txt"
  done
  rm -rf "$work"
}

community() {
  local names=() case forms=("$@") limits="_24GiB _16GiB _12GiB"
  [ $# -gt 0 ] || forms=(bf16 fp8_scaled q8_0 q5_k_m q4_k_m)
  for case in "${forms[@]}"; do
    names+=("T2V_A14B_480p_4_Steps_$case" "I2V_A14B_480p_4_Steps_$case")
    for limit in $limits; do names+=("T2V_A14B_480p_4_Steps_$case$limit"); done
    case $case in
      bf16) names+=(TI2V_5B_704p_3_Steps_bf16_8GiB) ;;
      fp8_scaled) names+=(T2V_A14B_720p_4_Steps_fp8_scaled) ;;
      q4_k_m)
        for limit in $limits; do names+=("I2V_A14B_480p_4_Steps_q4_k_m$limit"); done
        names+=(T2V_A14B_720p_4_Steps_q4_k_m_16GiB T2V_A14B_480p_20_Steps_q4_k_m)
        ;;
    esac
  done
  local chosen=()
  for case in "${names[@]}"; do chosen+=(--case "$case"); done
  local work
  work=$(mktemp -d)
  "$program" run --suite "$suites/community.json" "${chosen[@]}" --device cuda --no-video --cool-down 0 --output "$work/run" || status=1
  tar -C "$work/run" --exclude '*samples.json' --exclude '*spans.json' -cJf "$out/records.tar.xz" records
  "$here/step_times.py" "$work/run" --cold | tee -a "$out/community.txt"
  rm -rf "$work"
}

loading() {
  local files=/dev/shm/wanbench-loading
  rm -rf "$files"
  df -BG --output=avail /dev/shm | tail -1
  "$program" make-checkpoint --model t2v-A14B --format gguf-q4_k_m --output "$files/q4_k_m" || status=1
  "$here/first_step.py" "$program" --repeats "${REPEATS:-3}" -- --checkpoint "$files/q4_k_m" | tee -a "$out/loading.txt"
  mv "$files"/q4_k_m/text_encoders/*.safetensors "$files/text_encoder.safetensors"
  rm -rf "$files/q4_k_m"
  "$program" make-checkpoint --model t2v-A14B --format comfy --output "$files/bf16" || status=1
  "$here/first_step.py" "$program" --repeats "${REPEATS:-3}" -- --checkpoint "$files/bf16" --text-encoder "$files/text_encoder.safetensors" | tee -a "$out/loading.txt"
  rm -rf "$files"
}

# The frames' hash, the plan and the peak of a short video, for two ways to keep its weights.
hashes() {
  local form place video=(--weights random --model t2v-A14B --size 832x480 --num-frames 21 --recipe lightning-4 --discard --yes --verbose --prompt "A small sailing boat")
  for form in bf16 fp8_scaled q8_0 q5_k_m q4_k_m; do
    for place in none packed; do
      [ "$form $place" != "bf16 packed" ] || place=stream
      echo "$form --offload $place: $("$program" generate "${video[@]}" --stored-as "$form" --offload "$place" 2>&1 | grep -o "frames' sha256.*")" | tee -a "$out/hashes.txt"
    done
  done
  local limit log
  for limit in "${LIMITS[@]}"; do
    log=$("$program" generate "${video[@]}" --stored-as q4_k_m --gpu-memory-limit "$limit" 2>&1)
    echo "q4_k_m under $limit: exit $?" | tee -a "$out/limits.txt"
    grep -E "^memory|sha256|limit|error" <<<"$log" | tee -a "$out/limits.txt"
  done
}
LIMITS=(7.3GiB 7.1GiB 7.0GiB 6.9GiB)

"$part" "$@" || status=1
exit $status
