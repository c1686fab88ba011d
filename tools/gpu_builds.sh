#!/usr/bin/env bash
# Two builds of the program on one card, in turn: the frames of fixed requests must have equal hashes, and the steps and the decoder their times.
# Random weights of the published sizes, resident. Usage: gpu_builds.sh OLD NEW FIXTURES PART, PART one of hashes, 5b, a14b
set -uo pipefail
old=$1 new=$2 fixtures=$3 part=$4
status=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nvidia-smi --query-gpu=name,driver_version,power.limit --format=csv,noheader

hash_of() { "$@" --device cuda --discard 2>"$work/err" | awk '/sha256/ {print $NF}'; }

same() {
  local name=$1 a b
  shift
  a=$(hash_of "$old" generate "$@") b=$(hash_of "$new" generate "$@")
  if [ -n "$a" ] && [ "$a" = "$b" ]; then echo "equal $name $a"; else echo "DIFFERENT $name old '$a' new '$b'"; tail -2 "$work/err"; status=1; fi
}

# Prints "<build> <median of the steps after the first> <decoding>" of one run.
time_of() {
  local build=$1 program=$2
  shift 2
  "$program" generate "$@" --device cuda --discard >"$work/out" 2>"$work/err" || { echo "$build FAILED"; tail -3 "$work/err"; status=1; return; }
  awk -v build="$build" '
    /^Step_[0-9]+_Inference/ && $1 != "Step_0_Inference" { step[n++] = $2 }
    /^VAE_Decoding/ { vae = $2 }
    END { for (i = 0; i < n; ++i) for (j = i + 1; j < n; ++j) if (step[j] < step[i]) { t = step[i]; step[i] = step[j]; step[j] = t }
          print build, n % 2 ? step[(n - 1) / 2] : (step[n / 2 - 1] + step[n / 2]) / 2, vae }' "$work/out" | tee -a "$work/times"
}

# The order old, new, new, old: a slow drift favours neither.
in_turn() {
  local rounds=$1 i
  shift
  : >"$work/times"
  for ((i = 0; i < rounds; ++i)); do
    for build in old new new old; do time_of "$build" "${!build}" "$@"; done
  done
  awk '{ n[$1]++; step[$1, n[$1]] = $2; vae[$1, n[$1]] = $3 }
    function median(a, build, m,  i, j, t, v) { for (i = 1; i <= m; ++i) v[i] = a[build, i]
      for (i = 1; i <= m; ++i) for (j = i + 1; j <= m; ++j) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
      return m % 2 ? v[(m + 1) / 2] : (v[m / 2] + v[m / 2 + 1]) / 2 }
    END { so = median(step, "old", n["old"]); sn = median(step, "new", n["new"]); vo = median(vae, "old", n["old"]); vn = median(vae, "new", n["new"])
          printf "step old %.3f new %.3f s, new/old %.4f; decoding old %.3f new %.3f s, new/old %.4f\n", so, sn, sn / so, vo, vn, vn / vo
          exit (sn / so > 1.01 || vn / vo > 1.01) }' "$work/times" || { echo "SLOWER by more than 1 %"; status=1; }
}

case $part in
  hashes)
    same ti2v-5B --weights random --model ti2v-5B --prompt "two cats box" --size 640x352 --num-frames 41 --steps 4 --seed 7
    same t2v-A14B --weights random --model t2v-A14B --prompt "two cats box" --size 480x272 --num-frames 17 --steps 4 --seed 7 --offload none
    same image --checkpoint "$fixtures/mini-ti2v-i2v" --image "$fixtures/mini-ti2v-i2v/input.png" --prompt "a red circle" --size 64x96 --num-frames 9 --steps 5
    ;;
  5b) in_turn 1 --weights random --model ti2v-5B --prompt "two cats box" --size 1280x704 --num-frames 161 --steps 5 --offload none ;;
  a14b) in_turn 1 --weights random --model t2v-A14B --prompt "two cats box" --size 832x480 --num-frames 81 --steps 5 --offload none ;;
  *) echo "PART $part: one of hashes, 5b, a14b" >&2; exit 2 ;;
esac
exit $status
