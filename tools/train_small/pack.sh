#!/usr/bin/env bash
# Packs the program with its CPU backend and the libraries that a bare machine lacks, for gpu_train_small.sh to judge videos by where
# nothing can be installed. No CUDA, no mp4, no data. Unpacked it is small-pack/wanbench. BUILD is the build's folder (build/small-pack).
# Usage: tools/train_small/pack.sh OUT.tar.xz [BUILD]
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: tools/train_small/pack.sh OUT.tar.xz [BUILD]} build=${2:-build/small-pack}

cmake --preset program -B "$build" -DWAN_CUDA=OFF -DWAN_VIDEO=OFF
cmake --build "$build" -j "$(nproc)" --target wanbench

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/small-pack
mkdir -p "$folder/lib" "$folder/share/wanbench"
strip -o "$folder/wanbench.bin" "$build/wanbench"
# The machine has libc and libstdc++ of its own.
ldd "$build/wanbench" | awk '/=> \//{print $3}' |
  { grep -v -E '/(libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s)\.so' || true; } |
  while read -r library; do cp -Ln "$library" "$folder/lib/"; done
cat >"$folder/wanbench" <<'START'
#!/usr/bin/env bash
here=$(cd "$(dirname "$0")" && pwd)
export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$here/wanbench.bin" "$@"
START
chmod +x "$folder/wanbench"
"$folder/wanbench" --version
tar -C "$work" -cf - small-pack | xz -T0 -6 >"$out"
echo "$out: $(stat -c %s "$out") bytes"
