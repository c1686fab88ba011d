#!/usr/bin/env bash
# On the GPU machine: trains the small model's DiT and text encoder on the VAE it has, and has WANBENCH (a program with the CPU backend,
# as tools/train_small/pack.sh packs it; - for none) make the 160 judged videos of today's model and of the new one, paired by seed. Ends
# by itself within SECONDS (590); at once where the card is too slow for 25,000 steps. Training begins with the weights of today's model,
# with BEGIN= in the environment with none; with STATE, the OUT of an earlier call, it goes on from there, at a smaller rate.
# PYTHON (python3) has torch 2.11, numpy, safetensors and sentencepiece. Further arguments go to train.py.
# OUT gets the checkpoint (export.tar), the state to go on from (dit.pt, average.pt), train.log, measure.log and measured.json.
# Usage: tools/gpu_train_small.sh OUT [WANBENCH [SECONDS [STATE [ARGUMENTS...]]]]
set -uo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
usage="usage: gpu_train_small.sh OUT [WANBENCH [SECONDS [STATE [ARGUMENTS...]]]]"
out=${1:?$usage} program=${2:--} seconds=${3:-590} earlier=${4:-}
shift $(($# < 4 ? $# : 4))
python=${PYTHON:-python3}
today=$here/models/shapes-ti2v
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
status=0
left() { echo $((seconds - SECONDS)); }  # bash counts SECONDS from the script's start
tool() {
  local limit=$1 name=$2
  shift 2
  timeout --kill-after=5 "$limit" "$python" "$here/tools/train_small/$name" "$@"
}

# What measuring takes of the time: 320 videos of some 0.8 s of a core each on 16 cores, the first frames, and as much again.
measuring=0
[ "$program" = - ] || measuring=${MEASURING:-60}
training=$((seconds - measuring - 5))
arguments=(--state "${earlier:-$work}" --out "$work" --vae "$today/Wan2.2_VAE.pth" --last --least-steps 25000)
arguments+=(--max-minutes "$(awk "BEGIN {print $training / 60}")")
[ "$program" = - ] || arguments+=(--prompts 0)  # measure.py asks the program itself
begin=${BEGIN-$today}
[ -z "$begin" ] || arguments+=(--begin "$begin")
[ -z "$earlier" ] || arguments+=(--resume --dit-rate 4e-4 --least-steps 0)

echo "== training for $training s"
export PYTHONUNBUFFERED=1
tool $((training + 10)) train.py "${arguments[@]}" "$@" 2>&1 | tee "$out/train.log"
[ "${PIPESTATUS[0]}" = 0 ] || { echo "training failed or was cut short" >&2; status=1; }
for file in export.tar dit.pt average.pt rates.json text.png image.png; do
  [ ! -e "$work/$file" ] || cp "$work/$file" "$out/"
done
[ -e "$work/export.tar" ] || exit 1
tar -C "$work" -xf "$work/export.tar"
cp "$today/wanbench.json" "$work/shapes-ti2v/"
ls -l "$work/shapes-ti2v"

[ "$program" != - ] || exit $status
echo "== today's model (A) and the new one (B), $(left) s left"
tool $(($(left) - 3)) measure.py --wanbench "$program" --checkpoint "$today" --guidance 3.5 --prompts "${PROMPTS:-120}" --images "${IMAGES:-40}" \
  --jobs "$(nproc)" --json "$out/measured.json" --most-losses 0 -- -- --checkpoint "$work/shapes-ti2v" >"$out/measure.log" 2>&1 ||
  { echo "the new model loses more than it gains, or was not measured" >&2; status=1; }
grep -v -E '^ok  ' "$out/measure.log"
echo "== $SECONDS s in all"
exit $status
