import torch

from .work import Products


class T5Encoder(Products):
    pass


class T5EncoderModel:
    def __init__(self, size):
        self.model = T5Encoder(size, 2).to("cpu")

    def __call__(self, texts, device):
        return [self.model(torch.ones(64, self.model.weight.shape[0], device=device)) for _ in texts]
