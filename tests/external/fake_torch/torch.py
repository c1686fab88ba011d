"""As much of PyTorch as tests/external/official needs, with a device that works beside the host: a product on it returns
at once and is done 5 ms after the product before it."""
import time
import types

__version__ = "0.fake"
WORK_S = 0.005
_free_at_s = 0.0  # when the device will have done all that is queued


def _queue(seconds):
    global _free_at_s
    _free_at_s = max(_free_at_s, time.monotonic()) + seconds


def _wait():
    time.sleep(max(0.0, _free_at_s - time.monotonic()))


class device:
    def __init__(self, name):
        self.type = str(name).split(":")[0]

    def __str__(self):
        return self.type


class Tensor:
    def __init__(self, shape, where="cpu"):
        self.shape = shape
        self.device = device(where)

    def cpu(self):
        _wait()
        return Tensor(self.shape)

    def _elementwise(self, other):
        return self

    __add__ = __sub__ = __mul__ = __truediv__ = _elementwise


def randn(*shape):
    return Tensor(shape)


def ones(*shape, device="cpu"):
    return Tensor(shape, device)


def matmul(x, weight):
    if x.device.type == "cuda":
        _queue(WORK_S)
    else:
        time.sleep(WORK_S)
    return x


class Module:
    def __call__(self, *arguments, **named):
        return self.forward(*arguments, **named)

    def to(self, where):
        return self._move(where)

    def cpu(self):
        return self._move("cpu")

    def _move(self, where):
        _wait()
        time.sleep(WORK_S)
        for value in vars(self).values():
            if isinstance(value, Tensor):
                value.device = device(where)
        return self


class Event:
    def __init__(self, enable_timing):
        assert enable_timing
        self.at_s = None

    def record(self):
        self.at_s = max(_free_at_s, time.monotonic())

    def query(self):
        return time.monotonic() >= self.at_s

    def synchronize(self):
        time.sleep(max(0.0, self.at_s - time.monotonic()))

    def elapsed_time(self, end):
        assert self.query() and end.query(), "both events must have passed"
        return (end.at_s - self.at_s) * 1e3


nn = types.SimpleNamespace(Module=Module, Parameter=lambda tensor, requires_grad: tensor)
cuda = types.SimpleNamespace(Event=Event, synchronize=_wait, is_initialized=lambda: True,
                             is_current_stream_capturing=lambda: False)
