#!/usr/bin/env python3
"""Writes tests/model/text_cleaning_cases.json: texts, and what the official prompt cleaning makes of them.

Usage: make_text_cleaning_cases.py OUTPUT   (needs: pip install ftfy; developed with 6.3.1)
Cases that need ftfy's mojibake repair are listed apart, under "not_covered", with ftfy's answer without that repair.
"""
import html
import json
import random
import re
import sys

import ftfy

FIXED = [
    "", " ", "a cat", "  a   red\tcircle\n moves &amp; spins  ", "“Hello” ‘there’ it’s „low‟ ʼn", "ＦＵＬＬ　ｗｉｄｔｈ，１２３！？（）～", "ｶﾀｶﾅ ﾊﾝｶｸ ｶﾞ ﾊﾟ", "ﾡﾢ ￦ ￥ ￠ ￣ ￤ ￨ ￭",
    "ﬁne ﬂow ﬀ ﬃ ﬄ ﬅ ﬆ Ĳ ĳ ŉ Ǆ ǅ ǆ Ǉ ǈ ǉ Ǌ ǋ ǌ Ǳ ǲ ǳ", "æ œ ß Æ Œ", "a\r\nb\rc\u2028d\u2029e\u0085f", "\r\r\n\n\r", "\x1b[31mred\x1b[0m plain \x1b[1;32;40mbold",
    "\x1b[31", "\x1b[", "\x1b", "\x1b[;A", "\x1b[3\x1b[31mmx", "\x00\x01\x08a\x0bb\x0cc\x0ed\x1fe\x7ff", "\ufeffbom\ufeff", "a\u206ab\u206f\ufff9c\ufffcd\ufffd",
    "e\u0301 A\u030a \u1100\u1161\u11a8 o\u0308\u0323", "a\u00a0b\u3000c\u2003d\u202fe\u205ff\u1680g\u200bh", "\u200b x \u200b",
    "&lt;b&gt; &quot;q&quot; &#39;s&#39; &apos; &nbsp;x", "&amp;amp;amp;lt;", "&amp;amp;amp;amp;amp;amp;lt;", "<p>&amp;amp;amp;amp;lt;</p>", "<\n&amp;amp;amp;amp;",
    "&amp;amp;amp;amp;\n<\n&amp;amp;amp;amp;", "&notit; &notin; &not &no", "&amp &AMP &lt &LT; &copy2024 &copyright; &reg&trade", "this&not that", "R&D AT&T Q&A",
    "&EACUTE; &NTILDE; P&EACUTE;REZ &nTILDE; &SZLIG; &FILIG; &AC; &LTRIE; &FRAC12; &Eacute;", "&#x41;&#X42;&#67;&#68 &#x45 &#xg; &# &#; &#x; &#x3b; &#59; &amp#59;",
    "&#0; &#13; &#x80; &#x81; &#x9f; &#xD800; &#x110000; &#99999999999999999999; &#1; &#127; &#xfdd0; &#xffff; &#x1ffff; &#11; &#12;", "&#12abc; &#x1F431; &#128049;",
    "&CounterClockwiseContourIntegral; &CounterClockwiseContourIntegralx;", "&fjlig; &NotEqualTilde; &bne; &acE;", "&", "&&", "&;", "& amp;", "&\namp;", "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
    "&é; &amp猫; &lt猫;", "\u0091quoted\u0092 \u0093x\u0094 \u0085 \u0080", "\x80\x81\x8d", "\x1c\x1d\x1e\x1f a \x1c", "&#28; a &#x85;b", "&#160;a&#160;", "&ensp;a&emsp;b&zwj;c",
    "色调艳丽，过曝，静态，细节模糊不清，字幕", "猫　と　犬", "👩‍👩‍👧 ❤️ 🇩🇪", "ㅎ ｱ\uff9e", "Ａ\u0308", "K Å Ω", "\ufb03\u0301", "x\u0338= ≠", "The CAT. the-cat; \"quoted\" 'single'", "日本「語」", "½ ² ™ …",
    "sÃ³", "cafÃ©", "âœ” No problems", "doesnâ€™t", "Ã\xa0 la carte", "voilà â€” fin", "naïve café", "l’été", "Ünïcödé", "ÃƒÂ©",
]
PIECES = ["a", "cat", " ", "  ", "\t", "\n", "\r\n", "&amp;", "&amp", "&lt;", "&#39;", "&#x22;", "&nbsp;", "<", "“", "’", "Ａ", "，", "　", "ﬁ", "é", "e\u0301", "\u200b", "\ufeff", "\x1b[0m",
          "\x07", "猫", "🐱", "\u00a0", "&EACUTE;", "&copy", ";", "#", "&", "\u2028", "x"]


def clean(text, **options):
    text = ftfy.fix_text(text, **options)
    text = html.unescape(html.unescape(text)).strip()
    return re.sub(r"\s+", " ", text).strip()


def main():
    rng = random.Random(7)
    texts = FIXED + ["".join(rng.choice(PIECES) for _ in range(rng.randint(2, 14))) for _ in range(200)]
    covered, not_covered = [], []
    for text in texts:
        full, partial = clean(text), clean(text, fix_encoding=False)
        (covered if full == partial else not_covered).append([text, partial])
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        groups = []
        for name, cases in (("covered", covered), ("not_covered", not_covered)):
            groups.append(f' "{name}": [\n' + ",\n".join("  " + json.dumps(case) for case in cases) + "\n ]")
        out.write("{\n" + ",\n".join(groups) + "\n}\n")


if __name__ == "__main__":
    main()
