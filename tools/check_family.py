#!/usr/bin/env python3
"""Finds what only one model of the family could mean, written by hand outside the family's table (src/model/variant.*).

Names: of a task, a model, an expert or a VAE's file, in code and in strings. Sizes: widths of a published model. Factors: a number of frames,
pixels, rows or columns multiplied or divided by what is a stride or a patch of one model. Comments may name models.
See docs/design.md."""
import pathlib
import re
import sys

TABLE = {"model/variant.h", "model/variant.cpp"}
CODE = {".h", ".cpp", ".cu", ".cuh", ".in", ".inc", ".js", ".py"}

# Folders and files that may, and why. A folder ends with a slash.
MAY_NAME = {
    "import/": "other programs' reports name models in words of their own",
    "pipeline/recipe.cpp": "a recipe says which models its authors state it for",
    "inject/python/wanbench_hooks.py": "the classes of the official program are called so",
    "backend/cuda/builtin_tuning.cpp": "the shapes of matrix products a card was tuned for, one line each, and remarks between them",
}
MAY_CALCULATE = {
    "import/": "other programs' reports are read as they are",
    "backend/": "an operation is told its sizes; what it multiplies by is its own: vectors, alignment, the 2x of kNearestUpsample2x",
    "io/": "pictures and videos: centres, and the even sides of 4:2:0",
}

NAME = re.compile(
    r"(?<![A-Za-z])(?i:ti2v|t2v|i2v)|(?<=[a-z_])(?:Ti2v|T2v|I2v|TI2V|T2V|I2V)|(?i:a14b)|(?<![0-9A-Za-z.])14B\b|(?<![0-9A-Fa-fxX.])5B(?![0-9A-Za-z])"
    r'|"(?:dit\.)?(?:high|low)_noise(?:_model)?[/"]|Wan2[._][12]_VAE|\b(?:3072|5120|13824|14336)\b')
QUANTITY = r"\w*(?:frame|width|height|side|row|column|pixel|patch|latent)\w*"
FACTOR = r"(?:2|4|8|16|32)\b(?![.'])"
CALCULATION = re.compile(
    rf"(?:{QUANTITY}|\bshape)(?:\[\w+\]|\(\))?(?:\s*[-+]\s*\w+)?\)?\s*[*/%]=?\s*{FACTOR}|\b(?<![.']){FACTOR}\s*\*\s*{QUANTITY}")
STRING_OR_COMMENT = re.compile(
    r'(?P<string>R"(?P<raw>\w*)\(.*?\)(?P=raw)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|//[^\n]*|/\*.*?\*/', re.DOTALL)
PYTHON_COMMENT = re.compile(r'(?P<string>"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|#[^\n]*')


def without_comments(text: str, suffix: str) -> str:
    """The same lines, comments blanked."""
    pattern = PYTHON_COMMENT if suffix == ".py" else STRING_OR_COMMENT
    return pattern.sub(lambda m: m.group(0) if m.group("string") else re.sub(r"[^\n]", " ", m.group(0)), text)


def without_strings(line: str) -> str:
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', line)


def allowed(path: str, table: dict) -> bool:
    return any(path == key or key.endswith("/") and path.startswith(key) for key in table)


def problems(root: pathlib.Path):
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root).as_posix()
        if file.suffix not in CODE or path in TABLE:
            continue
        for number, line in enumerate(without_comments(file.read_text(), file.suffix).splitlines(), 1):
            if not allowed(path, MAY_NAME) and (found := NAME.search(line)):
                yield f"{file}:{number}: '{found.group(0)}' belongs to one model: ask its row of model/variant.h"
            if not allowed(path, MAY_CALCULATE) and (found := CALCULATION.search(without_strings(line))):
                yield (f"{file}:{number}: '{found.group(0)}' looks like a stride or a patch by hand: ask VaeTraits, Patch or Variant "
                       "(model/variant.h), or name the factor")


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent / "src")
    found = list(problems(root))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
