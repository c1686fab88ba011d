"""The UMT5 encoder at any width, for training, with the official names of its tensors (wan/modules/t5.py)."""
import functools
import math

import torch
import torch.nn.functional as F
from torch import nn

BUCKETS, MAX_DISTANCE = 32, 128


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x.float(), x.shape[-1:], self.weight, 1e-6)


def _linear(outputs, inputs, deviation):
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=deviation)
    return layer


class SelfAttention(nn.Module):
    def __init__(self, dim, dim_attention, heads):
        super().__init__()
        self.heads = heads
        # No 1/sqrt(head) in the scores: the initial q is smaller by it.
        self.q = _linear(dim_attention, dim, (dim * dim_attention / heads) ** -0.5)
        self.k = _linear(dim_attention, dim, dim**-0.5)
        self.v = _linear(dim_attention, dim, dim**-0.5)
        self.o = _linear(dim, dim_attention, dim_attention**-0.5)

    def forward(self, x, bias):
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = torch.softmax((q @ k.transpose(2, 3)).float() + bias, dim=-1).to(v.dtype)
        return self.o((weights @ v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, dim, dim_ffn):
        super().__init__()
        self.gate = nn.Sequential(_linear(dim_ffn, dim, dim**-0.5))
        self.fc1 = _linear(dim_ffn, dim, dim**-0.5)
        self.fc2 = _linear(dim, dim_ffn, dim_ffn**-0.5)

    def forward(self, x):
        return self.fc2(self.fc1(x) * F.gelu(self.gate(x), approximate="tanh"))


class Position(nn.Module):
    def __init__(self, heads):
        super().__init__()
        self.embedding = nn.Embedding(BUCKETS, heads)
        nn.init.normal_(self.embedding.weight, std=0.1)


class Layer(nn.Module):
    def __init__(self, dim, dim_attention, dim_ffn, heads):
        super().__init__()
        self.norm1, self.norm2 = Norm(dim), Norm(dim)
        self.attn = SelfAttention(dim, dim_attention, heads)
        self.ffn = FeedForward(dim, dim_ffn)
        self.pos_embedding = Position(heads)

    def forward(self, x, buckets, masked):
        bias = self.pos_embedding.embedding(buckets).permute(2, 0, 1)[None]
        x = x + self.attn(self.norm1(x), bias.masked_fill(masked, -1e9))
        return x + self.ffn(self.norm2(x))


@functools.cache
def buckets_of(length, device):
    """[query, key] bucket of key - query: exact below 8, logarithmic above, upper half for keys after the query."""
    relative = torch.arange(length)[None] - torch.arange(length)[:, None]
    distance = relative.abs()
    half = BUCKETS // 2
    exact = half // 2
    far = exact + (
        torch.log(distance.clamp(min=1).float() / exact) / math.log(MAX_DISTANCE / exact) * (half - exact)
    ).long().clamp(max=half - exact - 1)
    return (torch.where(distance < exact, distance, far) + half * (relative > 0)).to(device)


class Umt5(nn.Module):
    def __init__(self, vocabulary, dim, dim_attention, dim_ffn, heads, layers):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dim)
        self.blocks = nn.ModuleList(Layer(dim, dim_attention, dim_ffn, heads) for _ in range(layers))
        self.norm = Norm(dim)

    def forward(self, ids, lengths):
        """Rows f32 [B, L, dim] of ids [B, L]; those at and after a prompt's length are zero, as the DiT wants them."""
        real = torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]
        buckets = buckets_of(ids.shape[1], ids.device)
        x = self.token_embedding(ids)
        for block in self.blocks:
            x = block(x, buckets, ~real[:, None, None])
        return self.norm(x) * real[..., None]
