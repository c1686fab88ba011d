import torch

from .modules.model import WanModel
from .modules.t5 import T5EncoderModel
from .modules.vae2_2 import Wan2_2_VAE
from .utils.fm_solvers_unipc import FlowUniPCMultistepScheduler


class WanTI2V:
    def __init__(self, size, fail_at_step):
        self.device = torch.device("cuda:0")
        self.text_encoder = T5EncoderModel(size)
        self.vae = Wan2_2_VAE(size, self.device)
        self.model = WanModel.from_pretrained(size, 2 * fail_at_step + 1)
        self.size = size

    def generate(self, prompt, sampling_steps, offload_model):
        self.text_encoder.model.to(self.device)
        context = self.text_encoder([prompt], self.device)
        context_null = self.text_encoder([""], self.device)
        if offload_model:
            self.text_encoder.model.cpu()
        latent = torch.ones(self.size, self.size, device=self.device)
        scheduler = FlowUniPCMultistepScheduler()
        self.model.to(self.device)
        for t in range(sampling_steps):
            cond = self.model([latent], t=t, context=context, seq_len=1)[0]
            uncond = self.model([latent], t=t, context=context_null, seq_len=1)[0]
            latent = scheduler.step(uncond + (cond - uncond) * 5, t, latent)[0]
        if offload_model:
            self.model.cpu()
            torch.cuda.synchronize()
        return self.vae.decode([latent])[0]
