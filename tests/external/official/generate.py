"""Has the shape of the official Wan2.2 program: its modules, classes and order of calls, with small products for models.
Knows nothing of wanbench. Usage: generate.py ti2v|t2v STEPS SIZE [OFFLOAD] [FAIL_AT_STEP]"""
import sys

import torch

import wan
from wan.utils.utils import save_video


def main(task, steps, size, offload="True", fail_at_step="-1"):
    pipeline = {"ti2v": wan.WanTI2V, "t2v": wan.WanT2V}[task](size=int(size), fail_at_step=int(fail_at_step))
    video = pipeline.generate("a cat", sampling_steps=int(steps), offload_model=offload == "True")
    save_video(tensor=video, save_file="")
    torch.cuda.synchronize()
    print("Finished.")


main(*sys.argv[1:])
