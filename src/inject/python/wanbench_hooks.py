"""Wraps the methods of the official Wan2.2 program that are stages, once it imports their modules; the program is not
changed. Nothing of the program's is imported from here, and when anything is amiss the marking ends, a fact says so, and
the program runs on.

Names and order of the calls: github.com/Wan-Video/Wan2.2, wan/{textimage,text,image}2video.py, wan/modules, wan/utils.
"""
import functools
import inspect
import os
import sys
import time

from wanbench_marks import Marks, Pipe, quietly

PIPE_VARIABLE = "WANBENCH_RANGE_PIPE"  # also in src/suite/range_stages.h

# Module, class (None: a function of the module), attribute, hook.
HOOKED = (
    ("wan.textimage2video", "WanTI2V", "__init__", Marks.make_pipeline),
    ("wan.text2video", "WanT2V", "__init__", Marks.make_pipeline),
    ("wan.image2video", "WanI2V", "__init__", Marks.make_pipeline),
    ("wan.modules.t5", "T5EncoderModel", "__init__", lambda marks: marks.make_model("text_encoder")),
    ("wan.modules.t5", "T5EncoderModel", "__call__", Marks.encode_text),
    ("wan.modules.t5", "T5Encoder", "to", lambda marks: marks.move_text_encoder("upload")),
    ("wan.modules.t5", "T5Encoder", "cpu", lambda marks: marks.move_text_encoder("offload")),
    ("wan.modules.vae2_1", "Wan2_1_VAE", "__init__", lambda marks: marks.make_model("vae")),
    ("wan.modules.vae2_1", "Wan2_1_VAE", "encode", Marks.encode_image),
    ("wan.modules.vae2_1", "Wan2_1_VAE", "decode", Marks.decode),
    ("wan.modules.vae2_2", "Wan2_2_VAE", "__init__", lambda marks: marks.make_model("vae")),
    ("wan.modules.vae2_2", "Wan2_2_VAE", "encode", Marks.encode_image),
    ("wan.modules.vae2_2", "Wan2_2_VAE", "decode", Marks.decode),
    ("wan.modules.model", "WanModel", "from_pretrained", lambda marks: marks.make_model("dit")),
    ("wan.modules.model", "WanModel", "to", Marks.move_dit),
    ("wan.modules.model", "WanModel", "cpu", Marks.move_dit),
    ("wan.modules.model", "WanModel", "__call__", Marks.call_dit),  # not forward: several cards replace that
    ("wan.utils.fm_solvers", "FlowDPMSolverMultistepScheduler", "step", Marks.update_latent),
    ("wan.utils.fm_solvers_unipc", "FlowUniPCMultistepScheduler", "step", Marks.update_latent),
    ("wan.utils.utils", None, "save_video", Marks.write_video),
)


def wrapped(original, hook, marks):
    def before():
        if not marks.active and hook is not Marks.make_pipeline:
            return None
        running = hook(marks)
        next(running, None)
        return running

    def after(running):
        if marks.active and running is not None:
            next(running, None)

    before, after = quietly(marks, before), quietly(marks, after)

    @functools.wraps(original)
    def call(*arguments, **named):
        running = before()
        result = original(*arguments, **named)
        after(running)
        return result

    return call


def hook_into(module, owner, attribute, hook, marks):
    holder = module if owner is None else getattr(module, owner)
    original = inspect.getattr_static(holder, attribute, None)
    if isinstance(original, classmethod):
        setattr(holder, attribute, classmethod(wrapped(original.__func__, hook, marks)))
    else:
        setattr(holder, attribute, wrapped(getattr(holder, attribute), hook, marks))


class Finder:
    """First on sys.meta_path: lets the others find a hooked module and hooks into it once it has been executed."""

    def __init__(self, marks):
        self.marks = marks
        self.names = {name for name, _, _, _ in HOOKED}

    def find_spec(self, name, path=None, target=None):
        if name not in self.names:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                quietly(self.marks, self.hook_on_execution)(spec)
                return spec
        return None

    def hook_on_execution(self, spec):
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            for name, owner, attribute, hook in HOOKED:
                if name == module.__name__:
                    quietly(self.marks, hook_into)(module, owner, attribute, hook, self.marks)

        spec.loader.exec_module = exec_module  # of this module's loader alone


def install():
    """Called by sitecustomize. Without the pipe of a watching process there is nothing to do."""
    began_ns = time.monotonic_ns()
    given = os.environ.get(PIPE_VARIABLE, "")
    if given.isdigit():
        sys.meta_path.insert(0, Finder(Marks(Pipe(int(given)), began_ns)))
