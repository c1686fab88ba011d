#!/usr/bin/env bash
# Runs the three golden miniatures on the GPU in fp32 and bf16 and prints, for each group of tensors, our error against the fp32 truth and
# the official bf16 run's own. Usage: tools/gpu_golden.sh WANBENCH FIXTURES [DEVICE]
set -uo pipefail
wanbench=$1 fixtures=$2 device=${3:-cuda}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prompt="a red circle moves left across a dark background" negative="色调艳丽，过曝，静态"
status=0

one() {
  local fixture=$1 precision=$2 limit=$3
  shift 3
  "$wanbench" generate --checkpoint "$fixtures/$fixture" --prompt "$prompt" --negative-prompt "$negative" --device "$device" \
    --precision "$precision" --dump "$work/dump.safetensors" --force --dump-level blocks "$@" >"$work/log" 2>&1 ||
    { tail -3 "$work/log"; echo "$fixture $precision: FAILED"; status=1; return; }
  "$wanbench" diff "$work/dump.safetensors" "$fixtures/$fixture/golden.safetensors" --prefix-b fp32. --max-relative "$limit" >"$work/ours" || true
  echo "== $fixture $precision (limit $limit)"
  if [ "$precision" = bf16 ]; then
    # The official bf16 run against the same truth, tensor by tensor, and the ratio.
    "$wanbench" diff "$fixtures/$fixture/golden.safetensors" "$fixtures/$fixture/golden.safetensors" --prefix-a bf16. --prefix-b fp32. \
      --max-relative 1 >"$work/official" || true
    awk 'NR==FNR {official[$1]=$2; next} ($1 in official) && official[$1]+0>0 && /^(text|dit.*out|step.*(noise_pred|sample_out)|vae.decode)/ {
      printf "%-28s ours %s official %s ratio %.2f\n", $1, $2, official[$1], $2/official[$1]}' "$work/official" "$work/ours"
  else
    awk '/^(text|dit.*out|step.*sample_out|vae)/ {print $1, $2}' "$work/ours"
    tail -1 "$work/ours"
    grep -q "within" "$work/ours" || status=1
  fi
}

for precision in fp32 bf16; do
  limit=$([ $precision = fp32 ] && echo 1e-3 || echo 2e-2)
  one mini-ti2v-t2v $precision $limit --size 96x64 --num-frames 13 --steps 5 --shift 5 --guidance-scale 5
  one mini-ti2v-i2v $precision $limit --image "$fixtures/mini-ti2v-i2v/input.png" --size 64x96 --num-frames 9 --steps 5 --shift 5 --guidance-scale 5 --solver dpm++
  one mini-t2v-moe $precision $limit --size 64x48 --num-frames 13 --steps 6 --shift 12 --guidance-scale 4 --guidance-scale-2 3 --boundary 0.875
done
exit $status
