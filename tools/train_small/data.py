"""Batches of rendered clips for the VAE, and a pool of encoded clips with their captions for the DiT."""
import torch

import grammar
import model as m
import scenes
import vae

CROP, CROP_FRAMES = 64, 9
_TRAINING = grammar.all_scenes(held_out=False)


def scene_batch(count, rng, device):
    """Random training clips [count, F, 3, H, W] in [0, 1] and their cover."""
    return scenes.render([scenes.drawing_of(rng.choice(_TRAINING), rng) for _ in range(count)], device)


def cropped_batch(count, rng, device):
    """As scene_batch, but CROP_FRAMES x CROP x CROP around where the shape is, a fifth of the work for the same shape."""
    drawings = [scenes.drawing_of(rng.choice(_TRAINING), rng) for _ in range(count)]
    windows = []
    for d in drawings:
        begin = rng.randrange(scenes.FRAMES - CROP_FRAMES + 1)
        share = (begin + CROP_FRAMES / 2) / scenes.FRAMES
        corner = []
        for axis, size in ((0, scenes.WIDTH), (1, scenes.HEIGHT)):
            centre = d.start[axis] + share * (d.end[axis] - d.start[axis])
            corner.append(min(max(0, int(centre - CROP / 2 + rng.uniform(-24, 24))), size - CROP))
        windows.append((begin, *corner))

    def crop(clips):
        return torch.stack([c[t : t + CROP_FRAMES, :, y : y + CROP, x : x + CROP] for c, (t, x, y) in zip(clips, windows)])

    clips, cover = scenes.render(drawings, device)
    return crop(clips), crop(cover)


class LatentPool:
    """Latents bf16 of the used channels and token ids of `size` random training clips, on the device. They are
    made `batch` at a time, which must divide the size. The normalisation is measured unless one is given."""

    def __init__(self, network, tokenizer, size, batch, rng, device, normalisation=None):
        self._network, self._tokenizer, self._rng, self._device = network, tokenizer, rng, device
        negative_ids, negative_length = m.tokens(tokenizer, [m.NEGATIVE_PROMPT], device)
        self._negative = (negative_ids[0], negative_length[0])
        if normalisation is None:
            rounds = max(1, min(size, 2048) // batch)
            normalisation = m.Normalisation.of(torch.cat([self._encode(batch)[0] for _ in range(rounds)]))
        self.normalisation = normalisation
        shape = (size, m.LATENT_FRAMES, vae.USED_CHANNELS, m.LATENT_ROWS, m.LATENT_COLUMNS)
        self._latents = torch.empty(shape, dtype=torch.bfloat16, device=device)
        self._ids = torch.empty(size, m.PROMPT_TOKENS, dtype=torch.int64, device=device)
        self._lengths = torch.empty(size, dtype=torch.int64, device=device)
        self._next = 0
        for _ in range(0, size, batch):
            self.refresh(batch)

    @torch.no_grad()
    def _encode(self, count):
        """Posterior means of new clips and their scenes."""
        chosen = [self._rng.choice(_TRAINING) for _ in range(count)]
        clips, _ = scenes.render([scenes.drawing_of(scene, self._rng) for scene in chosen], self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            return self._network.posterior(clips * 2 - 1)[0].float(), chosen

    @torch.no_grad()
    def refresh(self, count):
        """Replaces the `count` oldest clips; their number must divide the size."""
        means, chosen = self._encode(count)
        ids, lengths = m.tokens(self._tokenizer, [grammar.caption(scene, self._rng) for scene in chosen], self._device)
        place = slice(self._next, self._next + count)
        self._latents[place] = self.normalisation.to_latents(means)[:, :, : vae.USED_CHANNELS].bfloat16()
        self._ids[place], self._lengths[place] = ids, lengths
        self._next = (self._next + count) % len(self._latents)

    def draw(self, count):
        """Latents f32 [count, T, 48, h, w], token ids and lengths of random clips."""
        index = torch.randint(len(self._latents), (count,), device=self._device)
        latents = torch.nn.functional.pad(self._latents[index].float(), (0, 0, 0, 0, 0, vae.LATENT_CHANNELS - vae.USED_CHANNELS))
        return latents, self._ids[index], self._lengths[index]

    def drop_text(self, ids, lengths, share):
        """The negative prompt in place of a share of the captions."""
        dropped = torch.rand(len(ids), device=ids.device) < share
        return torch.where(dropped[:, None], self._negative[0], ids), torch.where(dropped, self._negative[1], lengths)

    def _deviations(self):
        return self._latents[:4096].float().transpose(0, 2).flatten(1).std(1)

    def channel_weights(self):
        """[48, 1, 1]: variance of each channel, little for those that carry nothing."""
        weights = torch.full((vae.LATENT_CHANNELS,), 0.02, device=self._device)
        weights[: vae.USED_CHANNELS] = (self._deviations() ** 2).clamp(0.1, 1)
        return weights.view(-1, 1, 1)

    def describe(self):
        return " ".join(f"{value:.2f}" for value in self._deviations().sort(descending=True).values.tolist())
