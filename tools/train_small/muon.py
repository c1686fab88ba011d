"""Muon (Jordan et al. 2024): the momentum of a matrix's gradient, with its singular values brought near one."""
import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, as published
_ITERATIONS = 5


def orthogonalised(matrices):
    """Newton-Schulz iterations on [N, rows, columns], rows <= columns; in bf16 on a GPU."""
    a, b, c = _COEFFICIENTS
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.to(matrices.dtype)


class Muon:
    """For weights [outputs, inputs] inside a network. `rate` is a tensor on their device, read at every step, so that a
    captured step sees it change. Matrices of one shape are worked on together."""

    def __init__(self, parameters, rate, momentum=0.95, weight_decay=0.01):
        self.rate, self._momentum, self._decay = rate, momentum, weight_decay
        by_shape = {}
        for parameter in parameters:
            by_shape.setdefault(parameter.shape, []).append(parameter)
        self._groups = [(group, torch.zeros(len(group), *shape, device=rate.device)) for shape, group in by_shape.items()]

    @torch.no_grad()
    def step(self):
        for parameters, momenta in self._groups:
            gradients = torch.stack([p.grad for p in parameters])
            momenta.lerp_(gradients, 1 - self._momentum)
            ahead = torch.lerp(gradients, momenta, self._momentum)  # Nesterov's
            rows, columns = ahead.shape[1:]
            direction = orthogonalised(ahead if rows <= columns else ahead.mT)
            direction = direction if rows <= columns else direction.mT
            change = direction * (self.rate * max(1.0, rows / columns) ** 0.5)
            torch._foreach_mul_(parameters, 1 - self.rate * self._decay)
            torch._foreach_sub_(parameters, list(change.unbind(0)))
