"""Writes the small model's card from what measure.py found, of two settings the second one.

    python3 tools/train_small/card.py --measured FILE.json --checkpoint models/shapes-ti2v --training "..."
"""
import argparse
import json
import pathlib

import grammar
import measure

_CARD = """---
license: apache-2.0
pipeline_tag: text-to-video
tags: [wan2.2, ti2v, synthetic]
---
# shapes-ti2v

A text-to-video and image-to-video model of the architecture of Wan2.2-TI2V-5B at less than a thousandth of its size, in its file layout
and with its head dimension (2 heads of 128, 4 blocks of width 256).
It comes with wanbench so that the whole program can be tried and tested without a download and without a GPU.

## What it makes

{frames} frames of {size} pixels: one coloured shape that moves, grows, shrinks or turns on a plain or patterned ground.
Colours: {colours}. Shapes: {shapes}. Motions: {motions}. Grounds: {grounds}. Sizes: small, large, or none named.

    wanbench generate --checkpoint models/shapes-ti2v --size {size} --num-frames {frames} --steps {steps} --guidance-scale {guidance} \\
      --prompt "a red circle moves left on a striped background" --output red.mp4

## How well

By `tools/train_small/measure.py`, which looks at the pixels of videos made by wanbench ({steps} steps, {solver}, shift {shift}, guidance
{guidance}) for prompts whose combination of colour, shape and motion training never showed:

| | videos | colour | shape | motion | all three | first frame kept |
|---|---|---|---|---|---|---|
{rows}

## How it was made

Trained by `tools/train_small/train.py` on clips drawn by `scenes.py`, captioned by `grammar.py`; no other data and no other model.
{training}
The latents are scaled to the official statistics, and half of their 48 channels carry nothing.

| part | parameters | stored as |
|---|---|---|
{parts}

## Limits

Stars and crosses are the hardest: the checker takes some of them for squares, or for each other where they turn. From text the first frame
may still be half a blob, and a shape that turns loses its corners on the way. It knows some seventy words; others are spelt out and mean
nothing to it. Shapes start on a grid of eight pixels and travel a fixed way; they turn by about a quarter; patterns have one width.
Two shapes, other sizes, longer clips and photographs as first frames are outside what it was taught. It says nothing about the quality
of Wan2.2.

## Licence

Apache-2.0, as the program. The architecture is that of Wan2.2 (Wan-Video/Wan2.2, Apache-2.0); no weights of it were used.
"""


def _row(name, rates):
    shares = [f"{rates[key]:.1%}" for key in ("colour", "shape", "motion", "all")]
    kept = f"{rates['first_frame_kept']:.1%}" if "first_frame_kept" in rates else ""
    return f"| {name} | {rates['videos']} | {' | '.join(shares)} | {kept} |"


def _parts(checkpoint):
    import torch  # only for the .pth files
    from safetensors import safe_open

    with safe_open(checkpoint / "diffusion_pytorch_model.safetensors", "pt") as file:
        dit = sum(file.get_tensor(name).numel() for name in file.keys())
    rows = [("DiT", dit, "bf16")]
    for name, file, dtype in (("UMT5 encoder", "models_t5_umt5-xxl-enc-bf16.pth", "bf16"), ("VAE 2.2", "Wan2.2_VAE.pth", "fp32")):
        tensors = torch.load(checkpoint / file, weights_only=True)
        rows.append((name, sum(t.numel() for t in tensors.values()), dtype))
    return "\n".join(f"| {name} | {count:,} | {dtype} |" for name, count, dtype in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--training", required=True, help="what the training took: card, minutes, steps")
    args = parser.parse_args()
    document = json.loads(args.measured.read_text())
    measured = document.get("b", document)
    rows = [_row(name, measured[key]) for key, name in (("text", "from text"), ("image", "from a first frame")) if key in measured]
    text = _CARD.format(
        frames=measure.FRAMES,
        size=measure.SIZE,
        colours=", ".join(grammar.COLOURS),
        shapes=", ".join(grammar.SHAPES),
        motions=", ".join(grammar.MOTIONS),
        grounds=", ".join(grammar.GROUNDS),
        rows="\n".join(rows),
        parts=_parts(args.checkpoint),
        training=args.training,
        **{key: measured[key] for key in ("steps", "solver", "shift", "guidance")},
    )
    (args.checkpoint / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
