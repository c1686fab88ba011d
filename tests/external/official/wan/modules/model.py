from .work import Products


class WanModel(Products):
    def __init__(self, size, fail_at_call=-1):
        super().__init__(size, 8)
        self.calls = 0
        self.fail_at_call = fail_at_call

    @classmethod
    def from_pretrained(cls, size, fail_at_call=-1):
        return cls(size, fail_at_call).to("cpu")

    def forward(self, x, t, context, seq_len):
        self.calls += 1
        if self.calls == self.fail_at_call:
            raise MemoryError("CUDA out of memory. Tried to allocate 1.00 GiB")
        return [super().forward(x[0])]
