"""Two settings on the same prompts and seeds: which videos only one of them got right, and how likely that is by chance.

    python3 tools/train_small/pairs.py A.json B.json [--most-losses 3]

The files are those of measure.py --json; A is the reference. A loss is a video that A got right and B did not, a gain the
reverse; net losses are losses less gains. --most-losses fails where all three, over all videos, are lost oftener than that.
"""
import argparse
import dataclasses
import json
import math
import pathlib
import sys

FIELDS = ("colour", "shape", "motion")
ALL = "all"  # of the fields, and of the parts


def exact_p(losses, gains):
    """Two-sided p-value of McNemar's exact test: of `losses` + `gains` videos that only one setting got right, how likely
    a split at least as uneven is where each falls to either side like a coin (McNemar 1947). 1 where none differs."""
    differing = losses + gains
    tail = sum(math.comb(differing, k) for k in range(min(losses, gains) + 1))
    return min(1.0, 2 * tail / 2**differing)


@dataclasses.dataclass(frozen=True)
class Counts:
    """Videos by who got them right."""

    both: int
    losses: int  # only the reference
    gains: int  # only the other one
    neither: int

    @property
    def net_losses(self):
        return self.losses - self.gains

    @property
    def p(self):
        return exact_p(self.losses, self.gains)


def count(pairs):
    """Counts of (reference is right, other is right)."""
    pairs = [(bool(a), bool(b)) for a, b in pairs]
    return Counts(*(pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))


def _is_right(video, field):
    fields = FIELDS if field == ALL else (field,)
    return all(video["asked"][name] == video["seen"][name] for name in fields)


def _identity(video):
    return {key: video[key] for key in ("part", "prompt", "seed", "asked")}


def compare(reference, other):
    """Counts by (part, field) of two lists of videos of measure.py; every part, then all of them. Throws ValueError where
    they are not of the same prompts and seeds, in the same order."""
    if len(reference) != len(other):
        raise ValueError(f"{len(reference)} videos against {len(other)}: expected the same prompts and seeds")
    for number, (a, b) in enumerate(zip(reference, other)):
        if _identity(a) != _identity(b):
            raise ValueError(f"video {number} is {_identity(a)} in one and {_identity(b)} in the other")
    parts = list(dict.fromkeys(video["part"] for video in reference))
    parts = [*parts, ALL] if len(parts) > 1 else [ALL]
    return {
        (part, field): count(
            (_is_right(a, field), _is_right(b, field)) for a, b in zip(reference, other) if part in (ALL, a["part"])
        )
        for part in parts
        for field in (*FIELDS, ALL)
    }


def table(compared):
    """Markdown; A is the reference."""
    lines = ["| videos | right | both | only A (loss) | only B (gain) | neither | net losses | p |", "|---|---|---|---|---|---|---|---|"]
    for (part, field), c in compared.items():
        field = "all three" if field == ALL else field
        lines.append(f"| {part} | {field} | {c.both} | {c.losses} | {c.gains} | {c.neither} | {c.net_losses} | {c.p:.3g} |")
    return "\n".join(lines)


def as_json(compared):
    return [
        {"part": part, "right": field, **dataclasses.asdict(c), "net_losses": c.net_losses, "p": c.p}
        for (part, field), c in compared.items()
    ]


def too_many_losses(compared, most):
    """Says so, or nothing."""
    lost = compared[ALL, ALL].net_losses
    return f"{lost} net losses, expected at most {most}" if most is not None and lost > most else ""


def read_videos(path):
    """Throws ValueError where the file has none: of two settings, or of an older measure.py."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or "videos" not in document:
        raise ValueError(f"{path}: no \"videos\": expected a file of measure.py --json of one setting")
    return document["videos"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=pathlib.Path, help="the reference")
    parser.add_argument("b", type=pathlib.Path)
    parser.add_argument("--most-losses", type=int)
    args = parser.parse_args()
    try:
        compared = compare(read_videos(args.a), read_videos(args.b))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(compared))
    said = too_many_losses(compared, args.most_losses)
    if said:
        print(said, file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
