#!/usr/bin/env python3
"""Compares every #include under src/ with the folders its folder may use, and fails on any other. See docs/design.md."""
import pathlib
import re
import sys

ALLOWED = {
    "base": set(),
    "tensor": set(),
    "backend": {"tensor"},
    "backend/cpu": {"backend", "tensor"},
    "backend/cuda": {"backend", "tensor"},
    "io": {"tensor"},
    "sampler": {"backend", "tensor"},
    "model": {"backend", "io", "tensor"},
    "pipeline": {"model", "sampler", "io", "backend", "tensor"},
    "results": set(),
    "measure": {"results"},
    "suite": {"pipeline", "measure", "results"},
    "inject": set(),
    "analysis": {"results"},
    "report": {"analysis", "results"},
    "import": {"results"},
    "cli": {"pipeline", "suite", "measure", "analysis", "report", "import", "results", "model", "sampler", "io", "backend", "tensor"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def folder_of(path: str) -> str:
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if two in ALLOWED else parts[0]


def problems(root: pathlib.Path):
    for file in sorted(root.rglob("*")):
        if file.suffix not in {".h", ".cpp", ".cu", ".cuh", ".in"}:
            continue
        own = folder_of(file.relative_to(root).as_posix())
        if own not in ALLOWED:
            yield f"{file}: folder {own} is not in the table"
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match or not (root / match.group(1)).exists() and "/" not in match.group(1):
                continue
            used = folder_of(match.group(1))
            if used != own and used != "base" and used not in ALLOWED[own]:
                yield f"{file}:{number}: {own} may not include {match.group(1)}"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent / "src")
    found = list(problems(root))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
