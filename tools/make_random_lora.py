#!/usr/bin/env python3
"""Writes a LoRA of seeded random values for a DiT's linear layers, to time its merging: what is in it does not matter for that.

    tools/make_random_lora.py OUT.safetensors [--dim 5120] [--ffn 13824] [--layers 40] [--rank 64] [--seed 1]

BF16, named as ComfyUI's: diffusion_model.blocks.N.self_attn.q.lora_A.weight. The default is an expert of A14B: 400 layers, 613 MB. The values
are 2^-9 to 2^-8, of either sign. Needs no packages."""
import argparse
import json
import pathlib
import random
import struct

ATTENTION = [f"{kind}.{name}" for kind in ("self_attn", "cross_attn") for name in "qkvo"]


def tensors(args):
    for block in range(args.layers):
        sizes = [(name, args.dim, args.dim) for name in ATTENTION]
        sizes += [("ffn.0", args.ffn, args.dim), ("ffn.2", args.dim, args.ffn)]
        for name, rows, columns in sizes:
            prefix = f"diffusion_model.blocks.{block}.{name}"
            yield f"{prefix}.lora_A.weight", [args.rank, columns]
            yield f"{prefix}.lora_B.weight", [rows, args.rank]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dim", type=int, default=5120)
    parser.add_argument("--ffn", type=int, default=13824)
    parser.add_argument("--layers", type=int, default=40)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    header, offset = {}, 0
    for name, shape in tensors(args):
        size = 2 * shape[0] * shape[1]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    # Sign, the exponent of 2^-9, seven bits of mantissa: the high byte is 0x3b or 0xbb, the low one anything from 0 to 127.
    high = bytes(0x3B | (value & 0x80) for value in range(256))
    low = bytes(value & 0x7F for value in range(256))
    draw = random.Random(args.seed)
    with args.out.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        left = offset // 2
        while left > 0:
            count = min(left, 1 << 20)
            block = bytearray(2 * count)
            block[0::2] = draw.randbytes(count).translate(low)
            block[1::2] = draw.randbytes(count).translate(high)
            out.write(block)
            left -= count
    print(f"{args.out}: {len(header)} tensors, {offset} bytes")


if __name__ == "__main__":
    main()
