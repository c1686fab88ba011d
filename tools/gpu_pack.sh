#!/usr/bin/env bash
# Packs what a bare GPU machine needs to run the GPU tests and benchmarks: a GPU-only build (no oneDNN, frames instead of mp4), the few
# libraries such a machine lacks, and the fixtures. Prints the total and fails above 60 MiB. Usage: tools/gpu_pack.sh OUT.tar.xz
# WITH_VIDEO=1: for gpu_clips.sh, which reads sound and films, and for gpu_serve.sh and gpu_load.sh, whose server writes mp4: a build with FFmpeg and its
# libraries, with what these need of the tests and benchmarks; the fixtures of gpu_clips.sh would make it too large and travel by themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: tools/gpu_pack.sh OUT.tar.xz}
limit=$((60 * 1024 * 1024))

video=${WITH_VIDEO:-}
build=build/gpu${video:+-video}
programs=(wanbench)
[ -z "$video" ] || programs+=(clips_cuda_test backend_cuda_test wan_kernel_bench bench_encoder)
[ -n "$video" ] || programs+=(backend_cuda_test vae_golden_cuda_test wan_kernel_bench bench_conv bench_attention bench_page_lock)
cmake --preset gpu -B "$build" -DWAN_VIDEO="$([ -n "$video" ] && echo ON || echo OFF)"
cmake --build "$build" -j "$(nproc)" --target wan_cuda_module wan_nvtx "${programs[@]}"

# A module with code for other cards alone, for gpu_module.sh to see it refused by name.
if [ -z "$video" ]; then
  cmake --preset gpu -B build/gpu-sm80 -DCMAKE_CUDA_ARCHITECTURES=80
  cmake --build build/gpu-sm80 -j "$(nproc)" --target wan_cuda_module
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/pack/lib/wanbench" "$work/pack/bin" "$work/pack/sm80"
strip -o "$work/pack/lib/wanbench/wan_cuda.so" "$build/lib/wanbench/wan_cuda.so"
[ -n "$video" ] || strip -o "$work/pack/sm80/wan_cuda.so" build/gpu-sm80/lib/wanbench/wan_cuda.so
for name in "${programs[@]}"; do
  binary=$(find "$build" -type f -name "$name" -perm -u+x | head -1)
  strip -o "$work/pack/bin/$name" "$binary"
  # The machine has libc, libstdc++ and NVIDIA's libraries of its own.
  ldd "$binary" | awk '/=> \//{print $3}' |
    { grep -v -E '/(libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s|libcuda|libcudart|libcublas|libcublasLt|libnvrtc|libcudnn[^/]*)\.so' || true; } |
    while read -r library; do cp -Ln "$library" "$work/pack/lib/"; done
done
cp tools/gpu_{run,table,golden,instrument,interference,external,compare,module,few_steps,serve,load,ablate,clips,percents,8bit}.sh tools/{forward_kernels,make_random_lora,check_formats,measure_serving,measure_loading}.py "$work/pack/"
cp "$(find "$build" -name libwanbench_nvtx.so | head -1)" "$work/pack/lib/"
mkdir -p "$work/pack/share/wanbench"
cp -r "$build"/share/wanbench/{python,suites,tokenizer} "$work/pack/share/wanbench/"  # the last for make-checkpoint
cp -r tests/external "$work/pack/"
[ -n "$video" ] || cp -r "$build/fixtures" "$work/pack/fixtures"
tar -C "$work" -cf - pack | xz -T0 -6 >"$out"
bytes=$(stat -c %s "$out")
echo "$out: $bytes bytes ($((bytes / 1024 / 1024)) MiB of at most $((limit / 1024 / 1024)))"
if [ "$bytes" -gt "$limit" ]; then
  rm -f "$out"
  echo "the pack is over the limit" >&2
  exit 1
fi
