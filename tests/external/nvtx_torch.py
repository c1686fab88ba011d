"""A small PyTorch program that marks its stages by NVTX ranges. Knows nothing of wanbench. Usage: nvtx_torch.py STEPS"""
import sys

import torch


def main(steps):
    torch.cuda.nvtx.range_push("load")
    convolution = torch.nn.Conv2d(64, 64, 3, padding=1).cuda()
    weight = torch.randn(4096, 4096, device="cuda")
    torch.cuda.synchronize()
    torch.cuda.nvtx.range_pop()
    x = torch.randn(4096, 4096, device="cuda")
    with torch.no_grad():
        for step in range(steps):
            with torch.cuda.nvtx.range("Step_%d_Inference" % step):
                with torch.cuda.nvtx.range("product"):
                    for _ in range(20):
                        x = torch.nn.functional.normalize(x @ weight)
                torch.cuda.synchronize()
        with torch.cuda.nvtx.range("decode"):
            convolution(x.view(1, 64, 512, 512)).cpu()


main(int(sys.argv[1]))
