import torch

from .modules.model import WanModel
from .modules.t5 import T5EncoderModel
from .modules.vae2_1 import Wan2_1_VAE
from .utils.fm_solvers_unipc import FlowUniPCMultistepScheduler


class WanT2V:
    def __init__(self, size, fail_at_step):
        self.device = torch.device("cuda:0")
        self.text_encoder = T5EncoderModel(size)
        self.vae = Wan2_1_VAE(size, self.device)
        self.low_noise_model = WanModel.from_pretrained(size)
        self.high_noise_model = WanModel.from_pretrained(size, 2 * fail_at_step + 1)
        self.size = size

    def prepare(self, step, steps):
        needed, other = self.low_noise_model, self.high_noise_model
        if step < steps // 2:
            needed, other = other, needed
        if other.weight.device.type == "cuda":
            other.to("cpu")
        if needed.weight.device.type == "cpu":
            needed.to(self.device)
        return needed

    def generate(self, prompt, sampling_steps, offload_model):
        context = self.text_encoder([prompt], torch.device("cpu"))
        context_null = self.text_encoder([""], torch.device("cpu"))
        latent = torch.ones(self.size, self.size, device=self.device)
        scheduler = FlowUniPCMultistepScheduler()
        for t in range(sampling_steps):
            model = self.prepare(t, sampling_steps)
            cond = model([latent], t=t, context=context, seq_len=1)[0]
            uncond = model([latent], t=t, context=context_null, seq_len=1)[0]
            latent = scheduler.step(uncond + (cond - uncond) * 5, t, latent)[0]
        if offload_model:
            self.low_noise_model.cpu()
            self.high_noise_model.cpu()
        return self.vae.decode([latent])[0]
