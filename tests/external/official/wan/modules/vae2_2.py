from .work import Products


class Wan2_2_VAE:
    def __init__(self, size, device):
        self.model = Products(size, 16).to(device)

    def encode(self, videos):
        return [self.model(video) for video in videos]

    def decode(self, zs):
        return [self.model(z) for z in zs]
