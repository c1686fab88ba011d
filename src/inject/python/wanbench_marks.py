"""The stages of the official Wan2.2 program, said over the pipe of the watching process (src/suite/protocol.h: `begin`,
`span`, `fact`). The calls come from wanbench_hooks.py."""
import atexit
import collections
import fcntl
import json
import os
import stat
import sys

from wanbench_clock import Clock, Edge

HIGH_DESCRIPTOR = 200  # out of the way of programs that close or reuse the low ones


class Pipe:
    """Lines to the watching process. Silent once that has gone, and in a forked child."""

    def __init__(self, given):
        if given <= 2 or not stat.S_ISFIFO(os.fstat(given).st_mode):
            raise OSError("not the pipe")
        self.descriptor = fcntl.fcntl(given, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR)
        status = os.fstat(self.descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.process = os.getpid()

    def listened_to(self):
        return self.descriptor >= 0 and os.getpid() == self.process

    def say(self, kind, **fields):
        if not self.listened_to():
            return
        try:
            status = os.fstat(self.descriptor)  # the program may have put something of its own under the number
            if (status.st_dev, status.st_ino) != self.identity:
                raise OSError("not our pipe any more")
            os.write(self.descriptor, (json.dumps({"type": kind, **fields}) + "\n").encode())
        except OSError:
            self.descriptor = -1


def quietly(marks, action):
    """Nothing of ours reaches the program: a failure ends the marking and is said once."""

    def run(*arguments):
        try:
            return action(*arguments)
        except Exception as failure:
            marks.active = False
            marks.pipe.say("fact", key="shim_failure", value=repr(failure)[:200])
            return None

    return run


class Leaf:
    def __init__(self, kind, name, index, begin):
        self.kind = kind
        self.name = name  # the kind, numbered where it comes again
        self.index = index
        self.begin = begin
        self.end = None  # where it ends if nothing of the same kind and index follows
        self.parts = []  # name, begin, end


class Marks:
    """The official program as a row of leaves. The generators below are its hooks: what comes before `yield` runs before
    the wrapped method, what comes after runs once the method has returned."""

    def __init__(self, pipe, began_ns):
        self.pipe = pipe
        self.clock = Clock()
        self.started = Edge(began_ns)  # of the first pipeline's stage
        self.started.time_ns = began_ns
        self.leaf = None
        self.over = collections.deque()
        self.times_seen = collections.Counter()
        self.step = 0
        self.calls_of_step = 0
        self.moving = None  # where the DiT's first move since its last call began
        self.active = False  # from the first known pipeline on

    # The row of leaves.

    def enter(self, kind, index=-1, at=None):
        """Begins a leaf, or goes on with it; returns the edge."""
        begin = at or self.clock.edge()
        if self.leaf is not None and (self.leaf.kind, self.leaf.index) == (kind, index):
            self.leaf.end = None
            return begin
        self.close(begin)
        self.times_seen[kind] += 1
        name = kind if self.times_seen[kind] == 1 else "%s#%d" % (kind, self.times_seen[kind])
        self.leaf = Leaf(kind, name, index, begin)
        self.pipe.say("begin", stage=name, index=index, steps=0, own={"at_ns": begin.host_ns})
        return begin

    def part(self, name, begin):
        self.leaf.parts.append((name, begin, self.clock.edge()))

    def leave(self):
        self.leaf.end = self.clock.edge()
        self.say_passed()

    def close(self, at):
        if self.leaf is not None:
            self.leaf.end = self.leaf.end or at
            self.over.append(self.leaf)
            self.leaf = None
        self.say_passed()

    def is_in(self, kind):
        return self.leaf is not None and self.leaf.kind == kind and self.leaf.end is None

    def say_passed(self):
        self.clock.resolve()
        while self.over and self.over[0].end.time_ns is not None:
            leaf = self.over.popleft()
            for component, begin, end in [("", leaf.begin, leaf.end)] + leaf.parts:
                self.pipe.say("span", stage=leaf.name, index=leaf.index, component=component, hidden=False, bytes=0,
                              flops=0, begin_ns=begin.time_ns, end_ns=end.time_ns)

    def finish(self):
        """At the program's end. A leaf it ended in stays open: the watching process sees that it was cut off."""
        if not self.pipe.listened_to():
            return
        if self.leaf is not None and self.leaf.end is not None:
            self.close(self.leaf.end)
        self.clock.resolve(wait=True)
        self.say_passed()
        on_device = self.clock.event is not None
        self.pipe.say("fact", key="shim_clock", value="cuda_event" if on_device else "host")
        if on_device:
            self.pipe.say("fact", key="shim_clock_drift_us", value="%.1f" % (self.clock.drift_ns() / 1e3))

    # Hooks.

    def make_pipeline(self):
        started, self.started = self.started, None
        if started is not None:
            self.active = True
            atexit.register(quietly(self, self.finish))
            self.say_versions()
        begin = self.enter("Model_Initialization", at=started)
        if started is not None:
            self.part("import", begin)
        yield
        self.leave()

    def make_model(self, name):
        begin = self.clock.edge()
        yield
        if self.is_in("Model_Initialization"):
            self.part(name, begin)

    def move_text_encoder(self, name):
        if self.is_in("Model_Initialization"):
            return
        begin = self.enter("T5_Encoding")
        yield
        self.part(name, begin)
        self.leave()

    def encode_text(self):
        begin = self.enter("T5_Encoding")
        yield
        self.part("encode", begin)
        self.leave()

    def encode_image(self):
        self.enter("VAE_Encoding")
        yield
        self.leave()

    def move_dit(self):
        """Before a call it is the step's loading; after the last step it makes room for the decoder."""
        if not self.is_in("Model_Initialization") and self.moving is None:
            self.moving = self.clock.edge()
        yield

    def call_dit(self):
        inference = "Step_%d_Inference" % self.step
        if not self.is_in(inference):
            self.calls_of_step = 0
            if self.moving is not None:
                self.enter("Step_%d_Loading" % self.step, self.step, self.moving)
        begin = self.enter(inference, self.step)
        self.moving = None
        self.calls_of_step += 1
        yield
        self.part({1: "cond", 2: "uncond"}.get(self.calls_of_step, "call"), begin)

    def update_latent(self):
        if not self.is_in("Step_%d_Inference" % self.step):
            return
        begin = self.clock.edge()
        yield
        self.part("solver", begin)
        self.leave()
        self.step += 1

    def decode(self):
        room, self.moving = self.moving, None
        begin = self.enter("VAE_Decoding", at=room)
        if room is not None:
            self.part("offload", begin)
        yield
        self.leave()

    def write_video(self):
        self.enter("Output_Encoding")
        yield
        self.leave()

    def say_versions(self):
        self.pipe.say("fact", key="version.python", value=sys.version.split()[0])
        for name in ("torch", "diffusers", "transformers", "flash_attn", "flash_attn_interface"):
            version = getattr(sys.modules.get(name), "__version__", None)
            if version is not None:
                self.pipe.say("fact", key="version." + name, value=str(version))
