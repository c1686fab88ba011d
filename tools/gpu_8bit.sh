#!/usr/bin/env bash
# On the GPU machine: the class of 8 bits beside bf16, with random weights. Parts, in this order where none is named:
#   tests    the operations on the card against the CPU's definition
#   kernels  wan_kernel_bench's products and attention in 8 bits
#   steps    steps of TI2V-5B, 161 frames of 1280x704: bf16, products, scores as well, attention as well, by turns
#   replay   how far each group of products takes the guided velocity of TI2V-5B from that of fp32
#   small    T2V-A14B at 832x480: steps, and the warm whole video of 4 steps without guidance
#   large    the same at 1280x720
# OUT gets table.txt and the logs. On an H200: 25, 75, 95, 45, 110 and, by count, 250 s.
# Usage: gpu_8bit.sh PACK OUT [PART...]     (an unpacked pack of tools/gpu_pack.sh)
set -uo pipefail
if [ $# -lt 2 ]; then
  echo "usage: gpu_8bit.sh PACK OUT [PART...]" >&2
  exit 2
fi
pack=$(cd "$1" && pwd) || exit 2
[ -x "$pack/bin/wanbench" ] || { echo "$pack: expected an unpacked pack with bin/wanbench; make one by tools/gpu_pack.sh" >&2; exit 2; }
mkdir -p "$2" && out=$(cd "$2" && pwd) || exit 2
shift 2
parts=("$@")
[ $# -gt 0 ] || parts=(tests kernels steps replay small large)
cudnn=$(python3 -c 'import nvidia.cudnn; print(list(nvidia.cudnn.__path__)[0] + "/lib")' 2>/dev/null || true)
export LD_LIBRARY_PATH="$cudnn:$pack/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
products=qkv,o,cross,ffn
status=0
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader | tee "$out/card.txt"

logged() {  # LOG COMMAND...
  local log=$1
  shift
  "$@" >"$out/$log.log" 2>&1 || { tail -3 "$out/$log.log" >&2; status=1; }
}

generate() {  # LOG ARGUMENTS...
  local log=$1
  shift
  logged "$log" "$pack/bin/wanbench" generate --weights random --device cuda --offload none --discard --yes --verbose --seed 42 --prompt "A small sailing boat" "$@"
}

form() {  # what `generate` is told of a form
  case $1 in
    bf16) echo "--dit-precision bf16" ;;
    products) echo "--dit-precision int8 --quantize $products" ;;
    scores | attention) echo "--dit-precision int8 --quantize $products,$1" ;;
    *) echo "--dit-precision int8 --quantize ${1#only-}" ;;
  esac
}

said() {  # LOG: seconds of its stages, the fingerprint of its frames, what it says of a replay
  local log=$out/$1.log
  echo "$1: $(grep -oE '^(Step_[0-9]+_Inference|VAE_Decoding) +[0-9.]+' "$log" | tr -s ' ' | tr '\n' ' ')$(grep -oE '\b[0-9a-f]{64}\b' "$log" | tail -1 | cut -c1-16) $(grep -E '^replay' "$log")" | tee -a "$out/table.txt"
}

steps() {  # NAME ROUNDS FORMS ARGUMENTS...
  local name=$1 rounds=$2 forms=$3 i each
  shift 3
  for i in $(seq "$rounds"); do
    for each in $forms; do
      # shellcheck disable=SC2046
      generate "$name-$each-$i" $(form "$each") "$@"
      said "$name-$each-$i"
    done
  done
}

four_steps() {  # NAME SIZE
  local name=$1 size=$2 each
  for each in bf16 products attention; do
    # shellcheck disable=SC2046
    logged "$name-$each" "$pack/bin/wanbench" generate --weights random --device cuda --offload none --discard --yes --verbose --prompt "A small sailing boat" --model t2v-A14B \
      --recipe lightning-4 --size "$size" --num-frames 81 --seeds 41,42 $(form "$each")
    said "$name-$each"
  done
}

for part in "${parts[@]}"; do
  echo "== $part" >&2
  case $part in
    tests)
      logged tests "$pack/bin/backend_cuda_test" --gtest_brief=1 --gtest_filter='*ttention*:*QuantizeRows*:*LinearInt8*'
      tail -2 "$out/tests.log" | tee -a "$out/table.txt"
      ;;
    kernels)
      logged attention-5b "$pack/bin/wan_kernel_bench" --attention8 2 --model 5b
      logged attention-14b-720p "$pack/bin/wan_kernel_bench" --attention8 2 --model 14b-720p
      cat "$out"/attention-*.log | tee -a "$out/table.txt"
      ;;
    steps) steps step 2 "bf16 products scores attention" --model ti2v-5B --size 1280x704 --num-frames 161 --steps 3 ;;
    replay)
      short=(--model ti2v-5B --size 1280x704 --num-frames 17 --steps 4)
      rm -f "$out/reference.safetensors"
      generate reference "${short[@]}" --precision fp32 --vae-precision bf16 --dump "$out/reference.safetensors"
      steps replay 1 "bf16 only-qkv only-o only-cross only-ffn only-scores only-attention products scores attention" "${short[@]}" --replay "$out/reference.safetensors"
      rm -f "$out/reference.safetensors"
      ;;
    small)
      steps step-480p 1 "bf16 products attention" --model t2v-A14B --size 832x480 --num-frames 81 --steps 4
      four_steps four-480p 832x480
      ;;
    large)
      steps step-720p 1 "bf16 products attention" --model t2v-A14B --size 1280x720 --num-frames 81 --steps 3
      four_steps four-720p 1280x720
      ;;
    *)
      echo "$part: expected tests, kernels, steps, replay, small or large" >&2
      exit 2
      ;;
  esac
done
exit "$status"
