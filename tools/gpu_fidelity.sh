#!/usr/bin/env bash
# On the GPU machine: how far bf16 is from the same engine's fp32, step by step from the fp32 run's latents; and how far bf16 without its
# table of kernels is from bf16 with it, at the sizes that the table is for. The small model, and random weights of the 5B and of
# T2V-A14B. Usage: gpu_fidelity.sh WANBENCH OUT. 4 minutes on an H200.
set -uo pipefail
program=$1 out=$2
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "# no kernel is chosen here" >"$work/no_table.tsv"
status=0

# WHAT, the options of the reference, those of the setting that is replayed from it, and those of both.
replay() {
  local what=$1 reference=($2) setting=($3)
  shift 3
  echo "== $what: $* ${reference[*]}; then ${setting[*]}" | tee -a "$out/fidelity.txt"
  "$program" generate "$@" "${reference[@]}" --discard --yes --quiet --force --dump "$work/reference.safetensors" || status=1
  "$program" generate "$@" "${setting[@]}" --discard --yes --replay "$work/reference.safetensors" 2>"$work/log" >"$work/result" || status=1
  grep -E "^(step |[0-9]+ |replay )|^        " "$work/result" | tee -a "$out/fidelity.txt"
  grep -E "^error" "$work/log" | tee -a "$out/fidelity.txt"
}

video=(--weights random --prompt "A small sailing boat heads for the harbour in the evening sun." --steps 3)
fp32="--precision fp32" bf16="--precision bf16" no_table="--precision bf16 --tuning-table $work/no_table.tsv"
replay "small model, bf16 from fp32" "$fp32" "$bf16" --prompt "a red circle moves left across a dark background"
replay "TI2V-5B, bf16 without the table" "$bf16" "$no_table" "${video[@]}" --model ti2v-5B --size 1280x704 --num-frames 161
replay "T2V-A14B, bf16 without the table" "$bf16" "$no_table" "${video[@]}" --model t2v-A14B --size 832x480 --num-frames 81
replay "TI2V-5B, bf16 from fp32" "$fp32" "$bf16" "${video[@]}" --model ti2v-5B --size 1280x704 --num-frames 81
replay "T2V-A14B, bf16 from fp32" "$fp32" "$bf16" "${video[@]}" --model t2v-A14B --size 832x480 --num-frames 21
exit $status
