"""Writes a checkpoint's DiT as Q8_0 in GGUF and as FP8 with a scale a tensor, for measure.py --dit.

    python3 tools/train_small/quantise.py --wanfmt FOLDER --output FOLDER [--checkpoint models/shapes-ti2v]

--wanfmt: the folder with wanfmt.py of the format fixtures, whose writers and encoders are used; they need numpy, gguf and
ml_dtypes. Writes Q8_0.gguf and fp8_scaled.safetensors as those fixtures have them: the blocks' matrices in Q8_0, the other
ones in BF16; all matrices that are multiplied in E4M3, the rest in BF16. config.json beside them says the number of heads.
"""
import argparse
import importlib
import pathlib
import shutil
import sys

import numpy as np


def scaled_fp8(wanfmt, weights):
    """E4M3 and `scale_weight` for matrices that are multiplied, BF16 else, and the marker of scaled files."""
    stored = {}
    for name, values in weights.items():
        if wanfmt.is_linear(name, values):
            stored[name], scale, _ = wanfmt.fp8_tensor(values)
            stored[name.removesuffix("weight") + "scale_weight"] = np.full((), scale, np.float32)
        else:
            stored[name] = values.astype(wanfmt.BF)
    stored["scaled_fp8"] = np.zeros(2, wanfmt.E4)
    return stored


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wanfmt", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path, default=pathlib.Path("models/shapes-ti2v"))
    parser.add_argument("--output", type=pathlib.Path, required=True)
    return parser.parse_args()


def main():
    args = parse()
    sys.path.insert(0, str(args.wanfmt.resolve()))
    wanfmt = importlib.import_module("wanfmt")
    stored = wanfmt.load_st(str(args.checkpoint / "diffusion_pytorch_model.safetensors"))
    weights = {name: values.astype(np.float32) for name, values in stored.items()}
    args.output.mkdir(parents=True, exist_ok=True)
    wanfmt.gguf_dit(str(args.output / "Q8_0.gguf"), weights, lambda name, values: wanfmt.Q.Q8_0, src=wanfmt.Q.BF16, ftype=7)
    wanfmt.write_st(str(args.output / "fp8_scaled.safetensors"), scaled_fp8(wanfmt, weights), {"format": "pt"})
    shutil.copyfile(args.checkpoint / "config.json", args.output / "config.json")
    for file in sorted(args.output.iterdir()):
        print(f"{file} {file.stat().st_size}")


if __name__ == "__main__":
    main()
