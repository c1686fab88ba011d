"""Found through PYTHONPATH by every Python program that `wanbench run --engine command` starts: leaves the program its own
sitecustomize, then loads the marks of stages. Written so that old Pythons read it too; they get no marks."""
import os
import sys


def _leave_the_path():
    """The program finds its modules as without us; PYTHONPATH itself stays as it is, for programs that it starts."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != own]
    return own


def _load_marks(own):
    sys.path.insert(0, own)
    try:
        import wanbench_hooks
        wanbench_hooks.install()
    except Exception:  # whatever is amiss, the program is measured by other means, and runs
        pass
    finally:
        sys.path.remove(own)


def _load_the_programs_own():
    """Another sitecustomize further down the path, as if ours were not there; what it raises, it raises."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules["sitecustomize"])


_own = _leave_the_path()
if sys.version_info >= (3, 8):
    _load_marks(_own)
    _load_the_programs_own()
