#!/usr/bin/env bash
# Puts what gpu_train_small.sh brought out into the repository: the checkpoint, its card, and the picture of the demo; then says what
# the new model's videos show of the prompts that `make test` asks for. PYTHON has torch, numpy and safetensors. TRAINING is the card's
# sentence on the training: card, minutes, steps, seed. Usage: tools/train_small/adopt.sh OUT WANBENCH TRAINING
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: adopt.sh OUT WANBENCH TRAINING} program=${2:?} training=${3:?}
python=${PYTHON:-python3}
model=models/shapes-ti2v
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tar -C "$work" -xf "$out/export.tar"
cmp "$work/shapes-ti2v/Wan2.2_VAE.pth" $model/Wan2.2_VAE.pth  # it was given to the training and may not change
cp -r "$work/shapes-ti2v/." $model/
"$python" tools/train_small/card.py --measured "$out/measured.json" --checkpoint $model --training "$training"
"$python" tools/train_small/strips.py --wanbench "$program"
git status --short $model docs/images
du -sb $model
"$program" inspect $model
"$python" tools/train_small/measure.py --wanbench "$program" --checkpoint $model --list tests/small_model/prompts.json --guidance 3.5 --require 1,1,1
