#!/usr/bin/env python3
"""Sees that every header of src/ compiles alone, so that none leans on what its users happen to include before it.

A header x.h that is the first thing x.cpp or x.cu includes is compiled alone by the build itself; the others are compiled here.
check_headers.py BUILD [HEADER...]: takes the compiler and the flags of a source of the header's folder from
BUILD/compile_commands.json. Headers of a folder that this build does not compile (CUDA without nvcc) are left out, and counted.
Exit code 1 when one does not compile, 2 without a configured build."""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"


def flags_by_folder(build: pathlib.Path) -> dict:
    """Folder under src/ -> words of a compiler call of one of its C++ sources, less what names its input and output."""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["directory"], entry["file"]).resolve()
        if source.suffix != ".cpp" or SRC not in source.parents or source.parent in flags:
            continue
        words = shlex.split(entry["command"])
        output = words.index("-o")
        del words[output:output + 2]
        words.remove("-c")
        words = [word for word in words if pathlib.Path(entry["directory"], word).resolve() != source]
        flags[source.parent] = words
    return flags


def is_first_of_its_source(header: pathlib.Path) -> bool:
    for source in (header.with_suffix(".cpp"), header.with_suffix(".cu")):
        if source.exists():
            first = re.search(r'^\s*#\s*include\s+(\S+)', source.read_text(), re.MULTILINE)
            return first is not None and first.group(1) == f'"{header.relative_to(SRC).as_posix()}"'
    return False


def compile_alone(header: pathlib.Path, words: list) -> tuple:
    text = f'#include "{header.relative_to(SRC).as_posix()}"\n'
    ended = subprocess.run(words + ["-fsyntax-only", "-x", "c++", "-"], input=text, text=True, capture_output=True)
    return header, ended.returncode, ended.stderr


def main() -> int:
    if len(sys.argv) < 2 or not pathlib.Path(sys.argv[1], "compile_commands.json").exists():
        print(__doc__, file=sys.stderr)
        return 2
    flags = flags_by_folder(pathlib.Path(sys.argv[1]))
    headers = [pathlib.Path(name).resolve() for name in sys.argv[2:]]
    by_build = 0
    if not headers:
        every = sorted(SRC.rglob("*.h"))
        headers = [header for header in every if not is_first_of_its_source(header)]
        by_build = len(every) - len(headers)
    compiled = [header for header in headers if header.parent in flags]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for header, code, said in pool.map(lambda h: compile_alone(h, flags[h.parent]), compiled):
            if code != 0:
                failed += 1
                print(f"{header.relative_to(ROOT)} does not compile alone:\n{said}", file=sys.stderr)
    print(f"headers: {by_build} are the first of their source, {len(compiled) - failed} of {len(compiled)} others compile alone, "
          f"{len(headers) - len(compiled)} are of folders that this build leaves out")
    return 1 if failed or not compiled else 0


if __name__ == "__main__":
    sys.exit(main())
