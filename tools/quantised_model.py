#!/usr/bin/env python3
"""What the DiT's products in 8 bits do to a velocity, by a model of its own in numpy: what tests/pipeline/eight_bits_test.cpp holds
the engine against. Needs numpy (any version), which the project does not install.

    wanbench generate --checkpoint build/fixtures/mini-ti2v-t2v --device cpu --prompt "a red circle moves left across a dark background" \\
        --size 96x96 --num-frames 9 --steps 2 --discard --dump FILE --dump-level blocks
    python3 tools/quantised_model.py build/fixtures/mini-ti2v-t2v FILE

prints, for each group of products and for all, how far the first step's guided velocity is from the whole one's, in relative L2. With a
step and the run's guidance behind FILE (19 3.5: the last of 20) it looks at that step, and tells apart by which rounding of the
feed-forward that is: of one forward, and of the guided velocity. All but the quantisers is in double precision. Sources: wan/modules/model.py of the official code; docs/method.md for the quantisers.
"""
import json
import pathlib
import struct
import sys

import numpy as np

GUIDANCE = 5.0
GROUPS = ["qkv", "o", "cross", "ffn", "scores", "attention", "qkv,o,cross,ffn", "qkv,o,cross,ffn,attention"]


def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind = {"F32": "<f4", "BF16": "<u2", "F16": "<f2", "I64": "<i8"}[entry["dtype"]]
        value = np.frombuffer(data[begin:end], kind).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            value = (value.astype("u4") << 16).view("f4")
        yield name, value.astype("f8")


def hadamard(width):
    turn = np.ones((1, 1))
    while len(turn) < width:
        turn = np.block([[turn, turn], [turn, -turn]])
    return turn / np.sqrt(width)


def turned(rows):
    width = next(w for w in (128, 64, 32, 16, 8, 4, 2, 1) if rows.shape[-1] % w == 0)
    return (rows.reshape(*rows.shape[:-1], -1, width) @ hadamard(width)).reshape(rows.shape)


def to_int8(rows):
    """Rows of integers, and the scale of each."""
    scale = np.abs(rows).max(-1, keepdims=True) / 127
    return np.rint(rows / np.where(scale > 0, scale, 1)), scale


def to_e4m3(x):
    exponent = np.maximum(np.floor(np.log2(np.maximum(np.abs(x), 2.0**-20))), -6)
    step = 2.0 ** (exponent - 3)
    return np.clip(np.rint(x / step) * step, -448, 448)


def to_bf16(x):
    return np.ldexp(np.rint(np.ldexp(np.frexp(x)[0], 8)), np.frexp(x)[1] - 8)


def product(x, weight, bias, quantised):
    if not quantised:
        return x @ weight.T + bias
    (a, a_scale), (b, b_scale) = to_int8(turned(x)), to_int8(turned(weight))
    return a @ b.T * a_scale * b_scale.T + bias


def _rounded(rows):
    integers, scale = to_int8(rows)
    return integers * scale


def _in_e4m3(rows):
    scale = np.abs(rows).max(-1, keepdims=True) / 448
    return to_e4m3(rows / scale) * scale


def _in_groups(rows):
    """A scale for each stretch that is turned by itself."""
    width = next(w for w in (128, 64, 32, 16, 8, 4, 2, 1) if rows.shape[-1] % w == 0)
    return _rounded(turned(rows).reshape(*rows.shape[:-1], -1, width)).reshape(rows.shape)


FORMS = {  # of a product of rows a and weights b
    "int8": lambda a, b: _rounded(turned(a)) @ _rounded(turned(b)).T,
    "int8, rows alone": lambda a, b: _rounded(turned(a)) @ turned(b).T,
    "int8, weights alone": lambda a, b: turned(a) @ _rounded(turned(b)).T,
    "int8, a scale a group": lambda a, b: _in_groups(a) @ _in_groups(b).T,
    "bf16": lambda a, b: to_bf16(a) @ to_bf16(b).T,
    "fp8 (e4m3)": lambda a, b: _in_e4m3(a) @ _in_e4m3(b).T,
}


def attention(q, k, v, form=None):
    """Of heads [H, L, D]."""
    scale = 1 / np.sqrt(q.shape[-1])
    if form:
        a, a_scale = to_int8(turned(q))
        keys = turned(k - k.mean(1, keepdims=True))
        b = np.empty_like(keys)
        for first in range(0, keys.shape[1], 64):
            part = keys[:, first : first + 64]
            largest = np.abs(part).max((1, 2), keepdims=True) / 127
            b[:, first : first + 64] = np.rint(part / largest) * largest
        scores = a @ b.transpose(0, 2, 1) * a_scale * scale
    else:
        scores = q @ k.transpose(0, 2, 1) * scale
    exponents = scores / np.log(2)
    top = exponents.max(-1, keepdims=True)
    p = 2 ** (exponents - (np.ceil(top) - 3 if form == "attention" else top))
    total = p.sum(-1, keepdims=True)
    if form == "scores":
        return to_bf16(p) @ v / total
    if form == "attention":
        mean = v.mean(1, keepdims=True)
        largest = np.abs(v - mean).max(1, keepdims=True) / 448
        return to_e4m3(p) @ (to_e4m3((v - mean) / largest) * largest) / total + mean
    return p @ v / total


class Model:
    def __init__(self, folder, groups="", forms=None):
        self.forms = forms or {}  # part of a product's name to one of FORMS
        self.weights = {}
        for file in sorted(pathlib.Path(folder).glob("diffusion_pytorch_model*.safetensors")):
            self.weights.update(tensors(file))
        self.config = json.loads((pathlib.Path(folder) / "config.json").read_text())
        self.groups = set(groups.split(",")) if groups else set()

    def linear(self, x, name, group=""):
        for part, form in self.forms.items():
            if part in name:
                return FORMS[form](x, self.weights[name + ".weight"]) + self.weights[name + ".bias"]
        return product(x, self.weights[name + ".weight"], self.weights[name + ".bias"], group in self.groups)

    def heads(self, x):
        return x.reshape(len(x), self.config["num_heads"], -1).transpose(1, 0, 2)

    def rms(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["eps"]) * self.weights[name]

    def norm(self, x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + self.config["eps"])

    def velocity(self, latent, times, text):
        config, weights, dim = self.config, self.weights, self.config["dim"]
        channels, frames, height, width = latent.shape
        grid = (frames, height // 2, width // 2)
        head_dim = dim // config["num_heads"]
        silu = lambda x: x / (1 + np.exp(-x))
        gelu = lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        patches = latent.reshape(channels, frames, grid[1], 2, grid[2], 2).transpose(1, 2, 4, 0, 3, 5).reshape(-1, channels * 4)
        x = patches @ weights["patch_embedding.weight"].reshape(dim, -1).T + weights["patch_embedding.bias"]
        angles = times.reshape(-1, 1) * 10000.0 ** (-np.arange(config["freq_dim"] // 2) / (config["freq_dim"] // 2))
        e = self.linear(silu(self.linear(np.concatenate([np.cos(angles), np.sin(angles)], 1), "time_embedding.0")), "time_embedding.2")
        parts = self.linear(silu(e), "time_projection.1").reshape(len(x), 6, dim)
        rows = np.zeros((config["text_len"], text.shape[1]))
        rows[: len(text)] = text
        context = self.linear(gelu(self.linear(rows, "text_embedding.0")), "text_embedding.2")
        across = 2 * (head_dim // 6)
        widths = (head_dim - 2 * across, across, across)
        places = np.indices(grid).reshape(3, -1)
        turns = np.concatenate([np.outer(places[a], 10000.0 ** (-np.arange(0, n, 2) / n)) for a, n in enumerate(widths)], 1)
        cos, sin = np.cos(turns), np.sin(turns)

        def rope(heads):
            pairs = heads.reshape(*heads.shape[:2], -1, 2)
            real, other = pairs[..., 0], pairs[..., 1]
            return np.stack([real * cos - other * sin, real * sin + other * cos], -1).reshape(heads.shape)

        form = next(iter(self.groups & {"scores", "attention"}), None)
        flat = lambda heads: heads.transpose(1, 0, 2).reshape(-1, dim)
        for i in range(config["num_layers"]):
            at = f"blocks.{i}."
            m = (weights[at + "modulation"] + parts).transpose(1, 0, 2)
            n = self.norm(x) * (1 + m[1]) + m[0]
            q = rope(self.heads(self.rms(self.linear(n, at + "self_attn.q", "qkv"), at + "self_attn.norm_q.weight")))
            k = rope(self.heads(self.rms(self.linear(n, at + "self_attn.k", "qkv"), at + "self_attn.norm_k.weight")))
            v = self.heads(self.linear(n, at + "self_attn.v", "qkv"))
            x = x + self.linear(flat(attention(q, k, v, form)), at + "self_attn.o", "o") * m[2]
            n = self.norm(x) * weights[at + "norm3.weight"] + weights[at + "norm3.bias"]
            q = self.heads(self.rms(self.linear(n, at + "cross_attn.q", "cross"), at + "cross_attn.norm_q.weight"))
            k = self.heads(self.rms(self.linear(context, at + "cross_attn.k"), at + "cross_attn.norm_k.weight"))
            v = self.heads(self.linear(context, at + "cross_attn.v"))
            x = x + self.linear(flat(attention(q, k, v)), at + "cross_attn.o", "cross")
            n = self.norm(x) * (1 + m[4]) + m[3]
            x = x + self.linear(gelu(self.linear(n, at + "ffn.0", "ffn")), at + "ffn.2", "ffn") * m[5]
        last = (weights["head.modulation"] + e[:, None]).transpose(1, 0, 2)
        out = self.linear(self.norm(x) * (1 + last[1]) + last[0], "head.head")
        return out.reshape(*grid, 2, 2, -1).transpose(5, 0, 1, 3, 2, 4).reshape(-1, frames, height, width)


def off(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def look_at_step(folder, known, calls, step, guidance):
    latent = known[f"step{step}.sample_in"]
    times = calls[0][1] * 0 + known["timesteps"][step]

    def velocities(forms):
        model = Model(folder, forms=forms)
        positive, negative = (model.velocity(latent, times, call[2]) for call in calls)
        return positive, negative + guidance * (positive - negative)

    whole = velocities({})
    print(f"step {step}, timestep {known['timesteps'][step]:.0f}; whole, from the engine's: {off(whole[1], known[f'step{step}.noise_pred']):.2e}")
    print("rounded: one forward's velocity, guided velocity")
    cases = [({part: form}, part, form) for part in ("ffn", "ffn.0", "ffn.2") for form in FORMS]
    cases.append(({"ffn": "bf16", "attn": "bf16"}, "ffn and attn", "bf16"))
    for forms, part, form in cases:
        forward, guided = velocities(forms)
        print(f"{part} in {form}: {off(forward, whole[0]):.4f}, {off(guided, whole[1]):.4f}")


def main(folder, dump, step=None, guidance=None):
    known = dict(tensors(dump))
    calls = [[known[f"dit.call{i}.{name}"] for name in ("x", "t", "context")] for i in (0, 1)]
    if step is not None:
        return look_at_step(folder, known, calls, int(step), float(guidance))

    def guided(groups):
        model = Model(folder, groups)
        positive, negative = (model.velocity(*call) for call in calls)
        return negative + GUIDANCE * (positive - negative)

    whole = guided("")
    print(f"whole, from the engine's: {off(whole, known['step0.noise_pred']):.2e}")
    for groups in GROUPS:
        print(f"{groups}: {off(guided(groups), whole):.5f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
