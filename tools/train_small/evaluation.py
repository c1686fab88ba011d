"""What the training program shows of its work: reconstructions, samples for held-out prompts, and the checker's rates."""
import random

import numpy as np
import torch

import checker
import grammar
import measure
import model as m
import sampler
import scenes
import vae

_SETTINGS = ((20, 3.5), (20, 5.0), (10, 3.5))  # steps, guidance
_BATCH = 60


def to_bytes(clips):
    """[B, F, 3, H, W] in [-1, 1] as uint8 [B, F, H, W, 3], truncated as the engine does."""
    return ((clips.float().clamp(-1, 1) + 1) / 2 * 255).to(torch.uint8).permute(0, 1, 3, 4, 2).cpu().numpy()


def save_grid(clips, path):
    """One row a clip, every fourth frame."""
    measure.write_png(path, np.concatenate([np.concatenate(list(clip[::4]), axis=1) for clip in clips]))


@torch.no_grad()
def show_reconstructions(network, device, path, count=5):
    """Clips above what the VAE makes of them."""
    rng = random.Random(7)
    chosen = [rng.choice(grammar.all_scenes(held_out=True)) for _ in range(count)]
    clips = scenes.render([scenes.drawing_of(scene, rng) for scene in chosen], device)[0] * 2 - 1
    again = network.decode(network.posterior(clips)[0])
    save_grid(np.stack([to_bytes(clips), to_bytes(again)], 1).reshape(2 * count, *to_bytes(clips).shape[1:]), path)


@torch.no_grad()
def _videos(model, network, normalisation, tokenizer, pairs, seed, device, steps, guidance, first=None):
    out = []
    generator = torch.Generator(device).manual_seed(seed)
    for begin in range(0, len(pairs), _BATCH):
        part = pairs[begin : begin + _BATCH]
        shape = (len(part), m.LATENT_FRAMES, vae.LATENT_CHANNELS, m.LATENT_ROWS, m.LATENT_COLUMNS)
        noise = torch.randn(shape, device=device, generator=generator)
        prompt = m.tokens(tokenizer, [caption for _, caption in part], device)
        negative = sampler.negative_tokens(tokenizer, len(part), device)
        given = None if first is None else first[begin : begin + _BATCH]
        latents = sampler.sample(model, prompt, negative, noise, steps, guidance=guidance, first=given)
        out.append(to_bytes(network.decode(normalisation.from_latents(latents))))
    return np.concatenate(out)


def _say(log, name, rates):
    log(f"{name}: " + ", ".join(f"{key} {value:.1%}" for key, value in rates.items()))


@torch.no_grad()
def _first_latents(network, normalisation, pairs, device):
    """Encoded first frames of the scenes: the shape is there, the motion is not yet."""
    rng = random.Random(11)
    clips = scenes.render([scenes.drawing_of(scene, rng) for scene, _ in pairs], device)[0]
    return normalisation.to_latents(network.posterior(clips[:, :1] * 2 - 1)[0])


def evaluate(model, network, normalisation, tokenizer, args, workers, log):
    """Rates on held-out prompts for several settings; pictures of the first ten."""
    device = next(network.parameters()).device
    pairs = grammar.held_out_prompts(args.prompts)
    results = {}

    def judge(name, clips):
        results[name] = checker.rates(list(zip((scene for scene, _ in pairs), workers.map(checker.check, list(clips)))))
        _say(log, name, results[name])

    for steps, guidance in _SETTINGS:
        clips = _videos(model, network, normalisation, tokenizer, pairs, 3, device, steps, guidance)
        judge(f"text, {steps} steps, guidance {guidance}", clips)
    save_grid(clips[:10], args.out / "text.png")
    first = _first_latents(network, normalisation, pairs, device)
    clips = _videos(model, network, normalisation, tokenizer, pairs, 4, device, 20, 3.5, first)
    judge("image, 20 steps, guidance 3.5", clips)
    save_grid(clips[:10], args.out / "image.png")
    for line, (_, caption) in enumerate(pairs[:10]):
        log(f"row {line}: {caption}")
    return results
