"""The VAE 2.2 of Wan2.2 at any width, for training: whole clips at once, with the official names of its tensors.

Activations are [B * T, C, H, W] in channels-last memory. A causal 3-D convolution is one 2-D convolution over the
channels of three neighbouring frames, which is the same sum and runs on the well-kept 2-D kernels.
"""
import torch
import torch.nn.functional as F
from torch import nn

# Statistics the engine divides latents by: data of the official configuration.
LATENT_MEAN = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891, 0.1570, -0.0098, 0.0375, -0.1825,
    -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502, -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.1230,
    -0.0313, -0.1649, 0.0117, 0.0723, -0.2839, -0.2083, -0.0520, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)  # fmt: skip
LATENT_STD = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.4990, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901, 0.6885, 0.6165, 0.8454, 0.4978,
    0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659, 0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093,
    0.5709, 0.6065, 0.6415, 0.4944, 0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.0600, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)  # fmt: skip
LATENT_CHANNELS = 48
USED_CHANNELS = 24  # the others stay at their mean: the DiT is small, and what it need not carry it can leave out
ENCODER_WIDTHS = (16, 16, 32, 32)
DECODER_WIDTHS = (32, 32, 16, 16)
DECODER_IN = 32


def _fold(x, frames):
    """[B * T, C, H, W] as [B, T, C, H, W]; keeps channels-last memory."""
    return x.unflatten(0, (-1, frames))


def _flat(x):
    return x.flatten(0, 1).contiguous(memory_format=torch.channels_last)


class Gamma(nn.Module):
    """RMS norm over channels: x / ||x|| * sqrt(C) * gamma."""

    def __init__(self, *shape):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(shape))

    def forward(self, x):
        # The official floor 1e-12 is on the norm; on its square's mean 1e-12 is as invisible.
        return F.rms_norm(x.permute(0, 2, 3, 1), (x.shape[1],), self.gamma.flatten().to(x.dtype), 1e-12).permute(0, 3, 1, 2)


class Conv3d(nn.Module):
    """A convolution with the official 3-D (or 2-D) weight; `causal` frames of zeros stand before the clip."""

    def __init__(self, outputs, inputs, kernel):
        super().__init__()
        fan_in = inputs * torch.Size(kernel).numel()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *kernel) * (fan_in**-0.5))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, frames):
        """Causal over time, same size in space."""
        taps = self.weight.shape[2]
        if taps > 1:
            # [B, T, H, W, C] is how channels-last memory lies, so that nothing is transposed.
            clip = _fold(x.permute(0, 2, 3, 1), frames)
            padded = F.pad(clip, (0, 0, 0, 0, 0, 0, taps - 1, 0))
            neighbours = torch.cat([padded[:, k : k + frames] for k in range(taps)], dim=-1)
            x = neighbours.flatten(0, 1).permute(0, 3, 1, 2)
        return F.conv2d(x, self.weight.transpose(1, 2).flatten(1, 2), self.bias, padding=self.weight.shape[3] // 2)


class Conv2d(nn.Module):
    def __init__(self, outputs, inputs, kernel):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel) * ((inputs * kernel * kernel) ** -0.5))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x, stride=1):
        if stride == 2:
            return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, stride=2)
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[2] // 2)


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        # Indices between are the official list's SiLU and dropout.
        self.residual = nn.ModuleDict(
            {
                "0": Gamma(inputs, 1, 1, 1),
                "2": Conv3d(outputs, inputs, (3, 3, 3)),
                "3": Gamma(outputs, 1, 1, 1),
                "6": Conv3d(outputs, outputs, (3, 3, 3)),
            }
        )
        self.residual["6"].weight.data.mul_(0.1)
        if inputs != outputs:
            self.shortcut = Conv3d(outputs, inputs, (1, 1, 1))

    def forward(self, x, frames):
        r = self.residual
        y = r["2"](F.silu(r["0"](x)), frames)
        y = r["6"](F.silu(r["3"](y)), frames)
        return y + (self.shortcut(x, frames) if hasattr(self, "shortcut") else x)


class Attention(nn.Module):
    """One head over a frame's positions."""

    def __init__(self, channels):
        super().__init__()
        self.norm = Gamma(channels, 1, 1)
        self.to_qkv = Conv2d(3 * channels, channels, 1)
        self.proj = Conv2d(channels, channels, 1)
        self.proj.weight.data.mul_(0.1)

    def forward(self, x):
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        y = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.proj(y.transpose(1, 2).unflatten(2, x.shape[2:]).contiguous(memory_format=torch.channels_last))


class Middle(nn.ModuleList):
    def __init__(self, channels):
        super().__init__([Residual(channels, channels), Attention(channels), Residual(channels, channels)])

    def forward(self, x, frames):
        return self[2](self[1](self[0](x, frames)), frames)


class Resample(nn.Module):
    """Halves or doubles space, and time where it has a time_conv."""

    def __init__(self, channels, time_outputs=0):
        super().__init__()
        self.resample = nn.ModuleDict({"1": Conv2d(channels, channels, 3)})
        if time_outputs:
            self.time_conv = Conv3d(time_outputs, channels, (3, 1, 1))

    def down(self, x, frames):
        x = self.resample["1"](x, stride=2)
        if not hasattr(self, "time_conv") or frames == 1:
            return x, frames
        clip = _fold(x, frames)
        # y_0 = x_0; y_j = conv(x_{2j-2}, x_{2j-1}, x_{2j})
        taps = torch.cat([clip[:, 0:-2:2], clip[:, 1:-1:2], clip[:, 2::2]], dim=2)
        later = F.conv2d(_flat(taps), self.time_conv.weight.transpose(1, 2).flatten(1, 2), self.time_conv.bias)
        frames = (frames + 1) // 2
        return _flat(torch.cat([clip[:, :1], _fold(later, frames - 1)], dim=1)), frames

    def up(self, x, frames):
        if hasattr(self, "time_conv") and frames > 1:
            clip = _fold(x, frames)
            channels = x.shape[1]
            pairs = _fold(self.time_conv(_flat(clip[:, 1:]), frames - 1), frames - 1)
            # The two halves of the channels are the earlier and the later frame.
            later = torch.stack([pairs[:, :, :channels], pairs[:, :, channels:]], dim=2).flatten(1, 2)
            frames = 2 * frames - 1
            x = _flat(torch.cat([clip[:, :1], later], dim=1))
        return self.resample["1"](F.interpolate(x, scale_factor=2, mode="nearest")), frames


def _average_down(x, frames, outputs, factor_t, factor_s):
    """The encoder's shortcut: mean over groups of (channel, time, row, column) in that order."""
    clip = _fold(x, frames)
    if factor_t == 2:
        clip = F.pad(clip, (0, 0, 0, 0, 0, 0, 1, 0))
    batch, time, channels, height, width = clip.shape
    parts = clip.reshape(
        batch, time // factor_t, factor_t, channels, height // factor_s, factor_s, width // factor_s, factor_s
    ).permute(0, 1, 3, 2, 5, 7, 4, 6)
    return _flat(parts.reshape(batch, time // factor_t, outputs, -1, height // factor_s, width // factor_s).mean(3))


def _duplicate_up(x, frames, outputs, factor_t):
    """The decoder's shortcut: the inverse order, each value repeated; the first chunk's doubled frame is dropped."""
    clip = _fold(x, frames)
    batch, time, channels, height, width = clip.shape
    repeats = outputs * factor_t * 4 // channels
    parts = clip.repeat_interleave(repeats, dim=2).reshape(batch, time, outputs, factor_t, 2, 2, height, width)
    parts = parts.permute(0, 1, 3, 2, 6, 4, 7, 5).reshape(batch, time * factor_t, outputs, 2 * height, 2 * width)
    return _flat(parts[:, factor_t - 1 :])


class EncoderLevel(nn.Module):
    def __init__(self, inputs, outputs, last, halves_time):
        super().__init__()
        self.factor_t, self.factor_s, self.outputs = (2 if halves_time else 1), (1 if last else 2), outputs
        modules = [Residual(inputs, outputs), Residual(outputs, outputs)]
        if not last:
            modules.append(Resample(outputs, outputs if halves_time else 0))
        self.downsamples = nn.ModuleList(modules)

    def forward(self, x, frames):
        y, after = self.downsamples[1](self.downsamples[0](x, frames), frames), frames
        if len(self.downsamples) == 3:
            y, after = self.downsamples[2].down(y, frames)
        return y + _average_down(x, frames, self.outputs, self.factor_t, self.factor_s), after


class DecoderLevel(nn.Module):
    def __init__(self, inputs, outputs, last, doubles_time):
        super().__init__()
        self.factor_t, self.outputs = (2 if doubles_time else 1), outputs
        modules = [Residual(inputs, outputs), Residual(outputs, outputs), Residual(outputs, outputs)]
        if not last:
            modules.append(Resample(outputs, 2 * outputs if doubles_time else 0))
        self.upsamples = nn.ModuleList(modules)

    def forward(self, x, frames):
        y, after = x, frames
        for block in list(self.upsamples)[:3]:
            y = block(y, frames)
        if len(self.upsamples) == 4:
            y, after = self.upsamples[3].up(y, frames)
            y = y + _duplicate_up(x, frames, self.outputs, self.factor_t)
        return y, after


def _head(inputs, outputs):
    return nn.ModuleDict({"0": Gamma(inputs, 1, 1, 1), "2": Conv3d(outputs, inputs, (3, 3, 3))})


class Encoder(nn.Module):
    def __init__(self, latent, widths):
        super().__init__()
        self.conv1 = Conv3d(widths[0], 12, (3, 3, 3))
        inputs = (widths[0], *widths)
        self.downsamples = nn.ModuleList(EncoderLevel(inputs[i], widths[i], i == 3, i in (1, 2)) for i in range(4))
        self.middle = Middle(widths[-1])
        self.head = _head(widths[-1], 2 * latent)

    def forward(self, x, frames):
        x = self.conv1(x, frames)
        for level in self.downsamples:
            x, frames = level(x, frames)
        x = self.middle(x, frames)
        return self.head["2"](F.silu(self.head["0"](x)), frames), frames


class Decoder(nn.Module):
    def __init__(self, latent, inputs, widths):
        super().__init__()
        self.conv1 = Conv3d(inputs, latent, (3, 3, 3))
        self.middle = Middle(inputs)
        before = (inputs, *widths)
        self.upsamples = nn.ModuleList(DecoderLevel(before[i], widths[i], i == 3, i in (0, 1)) for i in range(4))
        self.head = _head(widths[-1], 12)

    def forward(self, x, frames):
        x = self.middle(self.conv1(x, frames), frames)
        for level in self.upsamples:
            x, frames = level(x, frames)
        return self.head["2"](F.silu(self.head["0"](x)), frames), frames


class Vae(nn.Module):
    """Clips [B, F, 3, H, W] in [-1, 1] to latents [B, T, 48, h, w] and back. Latents here are the engine's own, that is
    after its (mu - mean) / std; `latent_scale` says by how much the encoder's values are to be multiplied for that."""

    def __init__(self, encoder=ENCODER_WIDTHS, decoder_in=DECODER_IN, decoder=DECODER_WIDTHS):
        super().__init__()
        self.encoder = Encoder(LATENT_CHANNELS, encoder)
        self.conv1 = Conv3d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, (1, 1, 1))
        self.conv2 = Conv3d(LATENT_CHANNELS, LATENT_CHANNELS, (1, 1, 1))
        self.decoder = Decoder(LATENT_CHANNELS, decoder_in, decoder)
        # It learns sooner when the latent says something from the start.
        nn.init.constant_(self.conv1.bias[LATENT_CHANNELS:], -4.0)

    def posterior(self, clips):
        """Mean and log-variance of the used channels, each [B, T, USED_CHANNELS, h, w]."""
        frames = clips.shape[1]
        # Channel c*4 + r*2 + s holds column offset r and row offset s: pixel_unshuffle has them the other way round.
        pixels = F.pixel_unshuffle(clips.flatten(0, 1), 2).unflatten(1, (3, 2, 2)).transpose(2, 3).flatten(1, 3)
        x, frames = self.encoder(pixels.contiguous(memory_format=torch.channels_last), frames)
        moments = _fold(self.conv1(x, frames), frames)
        return moments[:, :, :USED_CHANNELS], moments[:, :, LATENT_CHANNELS : LATENT_CHANNELS + USED_CHANNELS]

    def decode(self, latents):
        """Of the used channels, [B, T, USED_CHANNELS, h, w]; not clamped."""
        frames = latents.shape[1]
        full = F.pad(latents, (0, 0, 0, 0, 0, LATENT_CHANNELS - USED_CHANNELS))
        x, frames = self.decoder(self.conv2(_flat(full), frames), frames)
        return _fold(F.pixel_shuffle(x.unflatten(1, (3, 2, 2)).transpose(2, 3).flatten(1, 3), 2), frames)


def official_vae(state, scale, shift):
    """The state dict of a Vae with the affine map between its own latents and the engine's folded into the two 1x1x1
    convolutions: engine latent = (mu - shift) * scale for the used channels (each [USED_CHANNELS]), 0 for the others."""
    out = {name: value.float().clone() for name, value in state.items()}
    mean, std = torch.tensor(LATENT_MEAN), torch.tensor(LATENT_STD)
    used = USED_CHANNELS
    weight, bias = out["conv1.weight"], out["conv1.bias"]
    # The engine computes (mu' - mean) / std, so mu' = engine latent * std + mean.
    weight[:used] *= (scale * std[:used]).view(-1, 1, 1, 1, 1)
    bias[:used] = (bias[:used] - shift) * scale * std[:used] + mean[:used]
    weight[used:LATENT_CHANNELS] = 0
    bias[used:LATENT_CHANNELS] = mean[used:]
    weight, bias = out["conv2.weight"], out["conv2.bias"]
    weight[:, used:] = 0
    # It gives back z = engine latent * std + mean; the decoder wants engine latent / scale + shift.
    gain = 1 / (scale * std[:used])
    bias += (weight[:, :used, 0, 0, 0] * (shift - mean[:used] * gain)).sum(1)
    weight[:, :used] *= gain.view(1, -1, 1, 1, 1)
    return out


def from_official(state):
    """The inverse: the state dict of a Vae whose own latents are the engine's."""
    out = {name: value.float().clone() for name, value in state.items()}
    used, device = USED_CHANNELS, out["conv1.weight"].device
    mean, std = (torch.tensor(values[:used], device=device) for values in (LATENT_MEAN, LATENT_STD))
    out["conv1.weight"][:used] /= std.view(-1, 1, 1, 1, 1)
    out["conv1.bias"][:used] = (out["conv1.bias"][:used] - mean) / std
    weight = out["conv2.weight"]
    out["conv2.bias"] += (weight[:, :used, 0, 0, 0] * mean).sum(1)
    weight[:, :used] *= std.view(1, -1, 1, 1, 1)
    return out
