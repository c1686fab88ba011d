#!/usr/bin/env python3
"""Writes src/model/mojibake_tables.inc: which character belongs to which class of ftfy's heuristic, and what the upper half of each single-byte encoding stands for.

Usage: make_mojibake_tables.py OUTPUT   (needs: pip install ftfy; developed with 6.3.1)
"""
import re
import sys

from ftfy.badness import MOJIBAKE_CATEGORIES
from ftfy.chardata import CHARMAP_ENCODINGS, UTF8_CLUES

CLASSES = [
    ("kCommon", MOJIBAKE_CATEGORIES["common"]), ("kC1", MOJIBAKE_CATEGORIES["c1"]), ("kBad", MOJIBAKE_CATEGORIES["bad"]), ("kLaw", MOJIBAKE_CATEGORIES["law"]),
    ("kCurrency", MOJIBAKE_CATEGORIES["currency"]), ("kStart", MOJIBAKE_CATEGORIES["start_punctuation"]), ("kEnd", MOJIBAKE_CATEGORIES["end_punctuation"]),
    ("kNumeric", MOJIBAKE_CATEGORIES["numeric"]), ("kKaomoji", MOJIBAKE_CATEGORIES["kaomoji"]), ("kUpper", MOJIBAKE_CATEGORIES["upper_accented"]),
    ("kLower", MOJIBAKE_CATEGORIES["lower_accented"]), ("kUpperCommon", MOJIBAKE_CATEGORIES["upper_common"]), ("kLowerCommon", MOJIBAKE_CATEGORIES["lower_common"]),
    ("kBox", MOJIBAKE_CATEGORIES["box"]), ("kLead2", UTF8_CLUES["utf8_first_of_2"]), ("kLead3", UTF8_CLUES["utf8_first_of_3"]), ("kLead4", UTF8_CLUES["utf8_first_of_4"]),
    ("kTrail", UTF8_CLUES["utf8_continuation"]), ("kTrailStrict", UTF8_CLUES["utf8_continuation_strict"]),
]


def class_rows():
    patterns = [(name, re.compile(f"[{characters}]")) for name, characters in CLASSES]
    rows = []
    for code in range(0x10000):
        names = [name for name, pattern in patterns if pattern.match(chr(code))]
        if not names:
            continue
        if rows and rows[-1][1] == code - 1 and rows[-1][2] == names:
            rows[-1][1] = code
        else:
            rows.append([code, code, names])
    return [f"    {{0x{first:04X}, 0x{last:04X}, {' | '.join(names)}}}," for first, last, names in rows]


def page_rows():
    rows = []
    for encoding in CHARMAP_ENCODINGS:
        upper = [f"0x{ord(bytes([byte]).decode(encoding)):04X}" for byte in range(0x80, 0x100)]
        losses = "Losses::kAsSubstitute" if encoding.startswith("sloppy") else "Losses::kNone"
        spaces = "Spaces::kAsTheyAre" if encoding == "macroman" else "Spaces::kMayBeA0"
        lines = [", ".join(upper[at:at + 12]) for at in range(0, 128, 12)]
        rows.append(f"    // {encoding}\n    {{{losses}, {spaces}, {{" + ",\n     ".join(lines) + "}},")
    return rows


def main():
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("// Written by tools/make_mojibake_tables.py; facts of ftfy 6.3 (Apache-2.0) and of Python's codecs.\n")
        out.write("constexpr ClassRange kClassRanges[] = {\n" + "\n".join(class_rows()) + "\n};\n\n")
        out.write("constexpr CodePage kCodePages[] = {\n" + "\n".join(page_rows()) + "\n};\n")


if __name__ == "__main__":
    main()
