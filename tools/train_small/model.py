"""The small model's sizes, its text encoder and DiT as one module, and its latents' normalisation."""
import torch
from torch import nn

import dit
import umt5
import vae

VOCABULARY = 112  # the tokenizer has a few fewer
PROMPT_TOKENS = 31  # and one more key for the padding rows: a size attention kernels like
TEXT_DIM = 96
LATENT_FRAMES, LATENT_ROWS, LATENT_COLUMNS = 5, 6, 8

# The official negative prompt: what guidance subtracts when the user names none.
NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)


class TextToVideo(nn.Module):
    def __init__(self):
        super().__init__()
        self.text_encoder = umt5.Umt5(VOCABULARY, dim=TEXT_DIM, dim_attention=64, dim_ffn=128, heads=4, layers=2)
        # Heads of 128, as every published model of the family has them: the kernels that are made for those run here too.
        self.dit = dit.Dit(dim=256, ffn_dim=352, heads=2, layers=4, channels=vae.LATENT_CHANNELS, text_dim=TEXT_DIM)

    def embed(self, ids, lengths):
        return self.dit.embed_text(self.text_encoder(ids, lengths))

    def forward(self, x, timesteps, ids, lengths):
        return self.dit(x, timesteps, self.embed(ids, lengths))


def compile_blocks(model):
    """Has the transformer blocks compiled at their next call: the two kinds once each, for the shapes they are then given.
    The rest is little work, and compiling it would take longer than it saves in a few minutes."""
    for block in (*model.dit.blocks, *model.text_encoder.blocks):
        block.compile(fullgraph=True, dynamic=False)


def matrices(model):
    """Names of the transformer blocks' weights that multiply activations; not embeddings, norms, first and last layers."""
    return [name for name, p in model.named_parameters() if ".blocks." in name and p.ndim == 2 and "embedding" not in name]


def stop_compiled():
    """From here on every block runs as it is written."""
    torch.compiler.set_stance("force_eager")


def tokens(tokenizer, prompts, device):
    """Ids [B, PROMPT_TOKENS] and lengths [B] on the device."""
    ids, lengths = tokenizer.batch(prompts, PROMPT_TOKENS)
    return torch.tensor(ids, device=device), torch.tensor(lengths, device=device)


def count(module):
    return sum(p.numel() for p in module.parameters())


class Normalisation:
    """The affine map from the encoder's used channels to the latents the DiT sees."""

    def __init__(self, scale, shift):
        self.scale, self.shift = scale, shift

    @staticmethod
    def none(device):
        """For an encoder whose values are the latents already."""
        return Normalisation(torch.ones(vae.USED_CHANNELS, device=device), torch.zeros(vae.USED_CHANNELS, device=device))

    @staticmethod
    def of(means):
        """Such that each channel of the posterior means [N, T, C, h, w] has mean 0 and, where it says much, deviation 1.
        A channel the encoder hardly uses stays small: nothing is gained by blowing up what the decoder ignores."""
        flat = means.float().transpose(0, 2).flatten(1)
        return Normalisation(1 / flat.std(1).clamp(min=0.5), flat.mean(1))

    def to_latents(self, means):
        """[B, T, 48, h, w] for the DiT."""
        normal = (means.float() - self.shift.view(-1, 1, 1)) * self.scale.view(-1, 1, 1)
        return nn.functional.pad(normal, (0, 0, 0, 0, 0, vae.LATENT_CHANNELS - vae.USED_CHANNELS))

    def from_latents(self, latents):
        """What the decoder wants."""
        return latents[:, :, : vae.USED_CHANNELS] / self.scale.view(-1, 1, 1) + self.shift.view(-1, 1, 1)
