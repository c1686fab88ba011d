#!/usr/bin/env python3
"""Compares what every file under src/ includes, itself and through others, with the folders its folder may use, and fails on any other.
See docs/design.md."""
import pathlib
import re
import sys

ALLOWED = {
    "base": set(),
    "tensor": set(),
    "comm": {"tensor"},
    "backend": {"tensor"},
    "backend/cpu": {"backend", "tensor"},
    "backend/cuda": {"backend", "tensor"},
    "io": {"tensor"},
    "fidelity": {"io", "tensor"},
    "sampler": {"backend", "tensor"},
    "model": {"backend", "comm", "io", "tensor"},
    "pipeline": {"model", "sampler", "io", "backend", "comm", "tensor"},
    "results": set(),
    "measure": {"results"},
    "suite": {"pipeline", "measure", "results", "fidelity", "io"},
    "inject": set(),
    "analysis": {"results"},
    "report": {"analysis", "results"},
    "import": {"results"},
    "load": {"results"},
    "serve": {"pipeline", "suite", "measure", "results", "io"},
    "cli": {"serve", "load", "pipeline", "suite", "measure", "analysis", "report", "import", "results", "model", "sampler", "fidelity", "io", "backend", "tensor"},
}
# Single headers that a folder may use although it may not use their folder, and why. They are data and names: none knows a tensor.
EXCEPTIONS = {
    "suite": {
        "model/variant.h": "the family's table: names, sizes and defaults of the models",
        "model/dit_config.h": "the sizes in that table",
        "sampler/schedule.h": "how many steps a request may have",
        "backend/device_clock.h": "how far two clocks came apart, which an observer is told",
    },
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
SOURCES = {".h", ".cpp", ".cu", ".cuh", ".in", ".inc"}


def folder_of(path: str) -> str:
    parts = path.split("/")
    two = "/".join(parts[:2])
    return two if two in ALLOWED else parts[0]


def may_use(folder: str, header: str) -> bool:
    used = folder_of(header)
    return used in {folder, "base"} or used in ALLOWED[folder] or header in EXCEPTIONS.get(folder, {})


def includes_of(root: pathlib.Path) -> dict:
    """Path -> [(line number, header)] of the headers that are ours."""
    found = {}
    for file in sorted(root.rglob("*")):
        if file.suffix not in SOURCES:
            continue
        lines = enumerate(file.read_text().splitlines(), 1)
        headers = [(number, match.group(1)) for number, line in lines if (match := INCLUDE.match(line))]
        found[file.relative_to(root).as_posix()] = [(n, h) for n, h in headers if "/" in h or (root / h).exists()]
    return found


def reached(includes: dict, start: str):
    """(header, the headers on the shortest way to it, itself last) of all that `start` includes through others."""
    ways = {header: [header] for _, header in includes[start]}
    waiting = list(ways)
    while waiting:
        here = waiting.pop(0)
        for _, header in includes.get(here, []):
            if header not in ways:
                ways[header] = ways[here] + [header]
                waiting.append(header)
    return [(header, way) for header, way in ways.items() if len(way) > 1]


def problems(root: pathlib.Path):
    includes = includes_of(root)
    used_exceptions = set()
    for path, headers in includes.items():
        own = folder_of(path)
        if own not in ALLOWED:
            yield f"{root / path}: folder {own} is not in the table"
            continue
        for number, header in headers:
            if not may_use(own, header):
                yield f"{root / path}:{number}: {own} may not include {header}"
        # What comes through a header that is a fault itself is not told again.
        for header, way in reached(includes, path):
            if not may_use(own, header) and all(may_use(own, earlier) for earlier in way[:-1]):
                yield f"{root / path}: {own} may not use {header}, which comes with {' > '.join(way[:-1])}"
        used_exceptions |= {(own, h) for h in EXCEPTIONS.get(own, {}) if any(h == n for _, n in headers)}
        used_exceptions |= {(own, h) for h, _ in reached(includes, path) if h in EXCEPTIONS.get(own, {})}
    for folder, headers in EXCEPTIONS.items():
        for header in headers:
            if folder in {folder_of(path) for path in includes} and (folder, header) not in used_exceptions:
                yield f"{root}: the exception of {folder} for {header} is not needed: take it out of the table"


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent / "src")
    found = list(problems(root))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
