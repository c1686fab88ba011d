#!/usr/bin/env bash
# On the GPU machine, in an unpacked pack: the program and its CUDA module. What the program holds before it needs the card, what `doctor` says, a moved
# copy makes a video on the card (and on the CPU where that is built), modules that do not fit are refused with exit code 2, the GPU tests pass.
# Usage: gpu_module.sh PACK_DIR
set -uo pipefail
pack=$(cd "${1:?usage: gpu_module.sh PACK_DIR}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0
good() { echo "ok: $1"; }
bad() { echo "FAILED: $1"; status=1; }

# A copy of the program with `module` as its module, in a folder of another name; NVIDIA's libraries it must find itself.
copy() {
  mkdir -p "$work/$1/bin" "$work/$1/lib/wanbench"
  cp -r "$pack/bin/wanbench" "$work/$1/bin/"
  cp -r "$pack/share" "$work/$1/"
  if [ -n "$2" ]; then cp "$2" "$work/$1/lib/wanbench/wan_cuda.so"; fi
}
moved() { local name=$1; shift; env LD_LIBRARY_PATH="$pack/lib" "$work/$name/bin/wanbench" "$@"; }
video() { moved "$1" generate --checkpoint "$pack/fixtures/mini-ti2v-t2v" --prompt x --size 96x64 --num-frames 13 --steps 3 --device "$2" --discard; }
# refused NAME TEXT: NAME does not generate on the card, exits with 2 and says TEXT.
refused() {
  local said code
  said=$(video "$1" cuda 2>&1)
  code=$?
  echo "$said" | tail -n 1
  if [ $code = 2 ] && tr '\n' ' ' <<<"$said" | grep -qF "$2"; then good "$1 is refused"; else bad "$1: exit code $code, expected 2 and '$2'"; fi
}

nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader
copy whole "$pack/lib/wanbench/wan_cuda.so"
echo "== --version"
kib=$(LD_LIBRARY_PATH=$pack/lib python3 -c '
import resource, subprocess, sys
subprocess.run([sys.argv[1], "--version"], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$work/whole/bin/wanbench" | tee /dev/stderr | tail -n 1)
if [ "${kib:-0}" -gt 0 ] && [ "$kib" -lt 65536 ]; then good "$kib KiB resident"; else bad "${kib:-no} KiB resident, expected under 65536"; fi
nvidia='/lib(cuda|cudart|cudnn[a-z_]*|cublas|cublasLt|nvrtc|nvidia-ml|cupti)\.so'
loaded=$(LD_DEBUG=files LD_LIBRARY_PATH="$pack/lib" "$work/whole/bin/wanbench" --version 2>&1 | grep -E "calling init: .*$nvidia" || true)
if [ -z "$loaded" ]; then good "none of NVIDIA's libraries is loaded"; else bad "--version loads $loaded"; fi

echo "== doctor"
moved whole doctor | tee "$work/doctor.wrapped"
# Long rows are wrapped; each in one line again.
awk '/^          / { sub(/^ +/, " "); line = line $0; next } NR > 1 { print line } { line = $0 } END { print line }' "$work/doctor.wrapped" >"$work/doctor"
grep -qF "$work/whole/lib/wanbench/wan_cuda.so" "$work/doctor" || bad "doctor does not name the module"
for library in libcudart libnvrtc libcublasLt libcudnn; do
  grep -E "^ +$library\.so" "$work/doctor" | grep -q " wanted)" && ! grep -E "^ +$library\.so[.0-9]* +no:" "$work/doctor" || bad "doctor does not find $library"
done
grep -qE "^ +usable +yes" "$work/doctor" || bad "doctor does not find the card usable"

echo "== a moved copy makes a video"
if video whole cuda | tee "$work/video" && grep -q sha256 "$work/video"; then good "on the card"; else bad "on the card"; fi
if video whole cpu >"$work/video" 2>&1; then good "on the CPU"; elif grep -q "no CPU backend" "$work/video"; then echo "CPU: not built"; else
  tail -n 2 "$work/video"
  bad "on the CPU"
fi

echo "== modules that do not fit"
copy sm80 "$pack/sm80/wan_cuda.so"
case $(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1) in
  8.*) echo "sm_80 code runs on this card: nothing to refuse" ;;
  *) refused sm80 "built for sm_80, this card is" ;;
esac
LC_ALL=C sed -E 's/interface [0-9a-f]{12}/interface 000000000000/' "$pack/lib/wanbench/wan_cuda.so" >"$work/other.so"
copy other "$work/other.so"
refused other "is of another build"
copy bare ""
refused bare "the CUDA module is not installed"

echo "== GPU tests"
cudnn=$(awk '/^ +libcudnn\.so/ {print $NF}' "$work/doctor" | xargs -r dirname)
cuda=$(awk '/^ +lib(cudart|nvrtc|cublasLt)\.so/ {print $NF}' "$work/doctor" | xargs -r -n 1 dirname | sort -u | paste -sd:)
for name in backend_cuda_test vae_golden_cuda_test; do
  if env LD_LIBRARY_PATH="$pack/lib:$cudnn:$cuda" WANBENCH_FIXTURES="$pack/fixtures" "$pack/bin/$name" --gtest_brief=1; then good "$name"; else bad "$name"; fi
done
exit $status
