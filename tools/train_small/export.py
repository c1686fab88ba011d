"""Writes the small model as a folder in the official layout of Wan2.2-TI2V-5B."""
import collections
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

import dit
import vae

VAE_FILE = "Wan2.2_VAE.pth"


def _bf16(state, prefix):
    return collections.OrderedDict(
        (name[len(prefix) :], value.to("cpu", torch.bfloat16).contiguous()) for name, value in state.items() if name.startswith(prefix)
    )


def _config(config):
    return {
        "_class_name": "WanModel",
        **config,
        "eps": dit.EPS,
        "freq_dim": dit.FREQUENCIES,
        "in_dim": vae.LATENT_CHANNELS,
        "out_dim": vae.LATENT_CHANNELS,
        "model_type": "ti2v",
        "text_len": dit.TEXT_LENGTH,
    }


def write(folder, model_state, dit_config, vae_state, normalisation, tokenizer_folder):
    """model_state of a TextToVideo and vae_state of a Vae; the tokenizer's files are copied."""
    folder = pathlib.Path(folder)
    target = folder / "google" / "umt5-xxl"
    target.mkdir(parents=True, exist_ok=True)
    save_file(_bf16(model_state, "dit."), str(folder / "diffusion_pytorch_model.safetensors"), metadata={"format": "pt"})
    torch.save(_bf16(model_state, "text_encoder."), folder / "models_t5_umt5-xxl-enc-bf16.pth")
    official = vae.official_vae(
        {name: value.cpu() for name, value in vae_state.items()}, normalisation.scale.cpu(), normalisation.shift.cpu()
    )
    torch.save(collections.OrderedDict((n, v.contiguous()) for n, v in official.items()), folder / VAE_FILE)
    (folder / "config.json").write_text(json.dumps(_config(dit_config), indent=2) + "\n", encoding="utf-8")
    for file in pathlib.Path(tokenizer_folder).iterdir():
        if file.resolve() != (target / file.name).resolve():
            shutil.copy(file, target / file.name)
