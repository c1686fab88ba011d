"""Euler sampling with guidance, as the engine does it with --solver euler."""
import torch

import model as m


def schedule(steps, shift):
    """Sigmas [steps + 1] from 1 to 0 and the integer timesteps the model sees."""
    base = torch.arange(steps, dtype=torch.float64) * (-1 / steps) + 1
    sigmas = shift * base / (1 + (shift - 1) * base)
    return torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)]), (1000 * sigmas).trunc()


@torch.no_grad()
def sample(model, prompt, negative, noise, steps=20, shift=5.0, guidance=5.0, first=None):
    """Latents from noise [B, T, C, h, w]. prompt and negative are (ids, lengths); first: latents [B, 1, C, h, w] of the
    given first frame, for image-to-video."""
    positive, negative = model.embed(*prompt), model.embed(*negative)
    sigmas, timesteps = schedule(steps, shift)
    x = noise.clone()
    for i in range(steps):
        t = timesteps[i].to(x.device, torch.float32).expand(x.shape[0], x.shape[1]).clone()
        if first is not None:
            x[:, :1] = first
            t[:, 0] = 0
        v = model.dit(x, t, positive)
        u = model.dit(x, t, negative)
        x = x + float(sigmas[i + 1] - sigmas[i]) * (u + guidance * (v - u))
    if first is not None:
        x[:, :1] = first
    return x


def negative_tokens(tokenizer, batch, device):
    ids, lengths = m.tokens(tokenizer, [m.NEGATIVE_PROMPT], device)
    return ids.expand(batch, -1), lengths.expand(batch)
