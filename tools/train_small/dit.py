"""The TI2V diffusion transformer of Wan2.2 at any width, for training, with the official names of its tensors."""
import math

import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-6
TEXT_LENGTH = 512
FREQUENCIES = 256


def _rope_angles(grid, head_dim):
    """Angles [L, head_dim / 2] of every token: frame, row and column axes, each with its own exponents."""
    sixth = head_dim // 6
    pairs = (head_dim // 2 - 2 * sixth, sixth, sixth)
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in grid), indexing="ij")
    parts = [
        position.reshape(-1, 1) * 10000.0 ** (-torch.arange(n, dtype=torch.float64) / n) for position, n in zip(axes, pairs)
    ]
    return torch.cat(parts, dim=1)


def _rotate(x, cos, sin):
    """x [B, H, L, D]: neighbours form the pairs."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


class Scale(nn.Module):
    """RMS norm over the whole width, before the split into heads."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), EPS)


def _linear(outputs, inputs):
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (_linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = Scale(dim), Scale(dim)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, source, rope=None, bias=None):
        q, k, v = self.split(self.norm_q(self.q(x))), self.split(self.norm_k(self.k(source))), self.split(self.v(source))
        if rope is not None:
            q, k = _rotate(q, *rope).to(v.dtype), _rotate(k, *rope).to(v.dtype)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias.to(q.dtype))
        return self.o(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, dim, ffn_dim, heads):
        super().__init__()
        self.self_attn, self.cross_attn = Attention(dim, heads), Attention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, eps=EPS)
        self.ffn = nn.Sequential(_linear(ffn_dim, dim), nn.GELU(approximate="tanh"), _linear(dim, ffn_dim))
        self.modulation = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def forward(self, x, e0, rope, text, text_bias):
        """x f32 [B, T, S, d] (T latent frames of S tokens); e0 [B, T, 6, d]."""
        m = (self.modulation[:, None] + e0).unsqueeze(3).unbind(2)
        shape = x.shape
        n = F.layer_norm(x, shape[-1:], eps=EPS) * (1 + m[1]) + m[0]
        x = x + self.self_attn(n.flatten(1, 2), n.flatten(1, 2), rope).view(shape) * m[2]
        x = x + self.cross_attn(self.norm3(x).flatten(1, 2), text, bias=text_bias).view(shape)
        n = F.layer_norm(x, shape[-1:], eps=EPS) * (1 + m[4]) + m[3]
        return x + self.ffn(n) * m[5]


class Head(nn.Module):
    def __init__(self, dim, outputs):
        super().__init__()
        self.head = _linear(outputs, dim)
        nn.init.zeros_(self.head.weight)
        self.modulation = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)

    def forward(self, x, e):
        m = (self.modulation[:, None] + e.unsqueeze(2)).unsqueeze(3).unbind(2)
        return self.head(F.layer_norm(x, x.shape[-1:], eps=EPS) * (1 + m[1]) + m[0])


class Dit(nn.Module):
    def __init__(self, dim, ffn_dim, heads, layers, channels, text_dim):
        super().__init__()
        self.config = {"dim": dim, "ffn_dim": ffn_dim, "num_heads": heads, "num_layers": layers}
        self.channels, self.heads = channels, heads
        self.patch_embedding = nn.Conv3d(channels, dim, (1, 2, 2), (1, 2, 2))
        nn.init.xavier_uniform_(self.patch_embedding.weight.flatten(1))
        self.text_embedding = nn.Sequential(_linear(dim, text_dim), nn.GELU(approximate="tanh"), _linear(dim, dim))
        self.time_embedding = nn.Sequential(_linear(dim, FREQUENCIES), nn.SiLU(), _linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), _linear(6 * dim, dim))
        self.blocks = nn.ModuleList(Block(dim, ffn_dim, heads) for _ in range(layers))
        self.head = Head(dim, 4 * channels)
        self._ropes = {}

    def rope(self, grid, device):
        if grid not in self._ropes:
            angles = _rope_angles(grid, self.config["dim"] // self.heads)
            self._ropes[grid] = (torch.cos(angles).float().to(device), torch.sin(angles).float().to(device))
        return self._ropes[grid]

    def embed_times(self, timesteps):
        """e [B, T, d] of timesteps [B, T]; f32."""
        exponent = torch.arange(FREQUENCIES // 2, device=timesteps.device, dtype=torch.float64) / (FREQUENCIES // 2)
        angles = timesteps.double()[..., None] * 10000.0**-exponent
        waves = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1).float()
        with torch.autocast(timesteps.device.type, enabled=False):
            return self.time_embedding(waves)

    def embed_text(self, rows):
        """What cross-attention sees of text rows [B, L, text_dim] (zero past a prompt's end), and the bias of its keys:
        the official 512 rows end in equal ones, of which one stands here for all, counted by its logarithm."""
        batch, length, width = rows.shape
        embedded = self.text_embedding(torch.cat([rows, rows.new_zeros(batch, 1, width)], dim=1))
        bias = torch.zeros(length + 1, device=rows.device)
        bias[-1:].fill_(math.log(TEXT_LENGTH - length))  # no copy from the host, which a captured step must not have
        return embedded, bias.view(1, 1, 1, -1)

    def forward(self, x, timesteps, text):
        """Velocity f32 [B, T, C, h, w] of latents of that shape; timesteps [B, T], one a latent frame; text: embed_text."""
        batch, frames, channels, height, width = x.shape
        rows, columns = height // 2, width // 2
        patches = x.view(batch, frames, channels, rows, 2, columns, 2).permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(2, 3)
        tokens = F.linear(patches, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias).float()
        e = self.embed_times(timesteps)
        with torch.autocast(x.device.type, enabled=False):
            e0 = self.time_projection(e).unflatten(-1, (6, -1))
        rope = self.rope((frames, rows, columns), x.device)
        for block in self.blocks:
            tokens = block(tokens, e0, rope, *text)
        with torch.autocast(x.device.type, enabled=False):
            out = self.head(tokens, e)
        # Columns of the head are (row, column, channel).
        out = out.view(batch, frames, rows, columns, 2, 2, channels).permute(0, 1, 6, 2, 4, 3, 5)
        return out.reshape(batch, frames, channels, height, width)
