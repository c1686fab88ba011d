#!/usr/bin/env python3
"""Writes tests/model/text_cleaning_cases.json: texts, and what the official prompt cleaning makes of them.

Usage: make_text_cleaning_cases.py OUTPUT [MORE]   (needs: pip install ftfy; developed with 6.3.1; MORE times the cut and random texts, 1 unless given)
Beside texts of every kind of fix, there is mojibake in every encoding that ftfy tries: whole, in part, garbled twice, with lost bytes and with spaces for U+00A0; and strings of characters that occur in it.
"""
import html
import json
import random
import re
import sys

import ftfy
from ftfy.chardata import CHARMAP_ENCODINGS

MORE = int(sys.argv[2]) if len(sys.argv) > 2 else 1

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


SENTENCES = [
    "a café at night", "25 °C in the shade", "привет, мир", "Ünïcödé für alle — “quoted”", "à la mode… naïve", "l’été à Paris, déjà vu", "Łódź i Kraków, żółć", "čeština je těžká",
    "Καλημέρα κόσμε", "İstanbul'da güneşli bir gün", "Šiauliai, ąžuolas, žvėris", "色调艳丽，过曝", "猫と犬が走る", "안녕하세요 세계", "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก",
    "🐱 runs after 🐭", "100 € – £5 – ¥7", "½ ² × ÷ ± µ", "✔ No problems", "Ã is a letter, Â too", "às vezes àquele", "voilà le travail", "œuvre d’art", "¯\\_(ツ)_/¯", "│ box ┤ ═ ║", "Σωκράτης ≠ ∞",
]
CHARACTERS = "".join(dict.fromkeys("".join(bytes(range(0x80, 0x100)).decode(encoding) for encoding in CHARMAP_ENCODINGS))) + "\ufffd\x1a?abzAZ .,!é\n\u00a0"


def garbled(text, encoding, rng):
    """UTF-8 read in another encoding, or None where that encoding lacks a character."""
    try:
        text = text.encode("utf-8").decode(encoding)
    except UnicodeDecodeError:
        return None
    change = rng.randrange(6)
    if change == 0:
        text = text.replace("\u00a0", " ")
    elif change == 1:
        text = re.sub("[\x80-\x9f]", "\ufffd", text)
    elif change == 2:
        text = "".join("?" if ord(c) > 0x80 and rng.random() < 0.1 else c for c in text)
    return text


def mojibake(rng):
    texts = []
    for sentence in SENTENCES:
        for encoding in CHARMAP_ENCODINGS:
            once = garbled(sentence, encoding, rng)
            if once is None:
                continue
            texts.append(once)
            twice = garbled(once, rng.choice(CHARMAP_ENCODINGS[:6]), rng)
            if twice is not None and rng.random() < 0.4:
                texts.append(twice)
            if rng.random() < 0.5:
                texts.append(rng.choice(SENTENCES) + " " + once + rng.choice(["", " ", "\n"]) + rng.choice(SENTENCES))
    return texts


def cut(text, rng):
    begin = rng.randint(0, max(0, len(text) - 2))
    return text[begin:begin + rng.randint(1, 24)]


def surrogates(text):
    """Each character above U+FFFF as two of three bytes, as CESU-8 has it."""
    pairs = text.encode("utf-16-le", "surrogatepass")
    units = [int.from_bytes(pairs[at:at + 2], "little") for at in range(0, len(pairs), 2)]
    return b"".join(chr(unit).encode("utf-8", "surrogatepass") for unit in units)


def clean(text):
    text = ftfy.fix_text(text)
    text = html.unescape(html.unescape(text)).strip()
    return re.sub(r"\s+", " ", text).strip()


def main():
    rng = random.Random(7)
    texts = FIXED + ["".join(rng.choice(PIECES) for _ in range(rng.randint(2, 14))) for _ in range(200)]
    wrong = mojibake(rng)
    texts += wrong + [cut(text, rng) for text in wrong for _ in range(MORE)]
    texts += ["".join(rng.choice(CHARACTERS) for _ in range(rng.randint(2, 9))) for _ in range(400 * MORE)]
    texts += [surrogates("a 🐱 and 🐭").decode("latin-1"), surrogates("🐱").decode("sloppy-windows-1252"), b"a\xc0\x80b \xc3\xa9".decode("latin-1"), b"\xed\xa0\xbd caf\xc3\xa9".decode("latin-1")]
    texts = [text for text in dict.fromkeys(texts) if not any(0xD800 <= ord(c) <= 0xDFFF for c in text)]
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("[\n" + ",\n".join(json.dumps([text, clean(text)]) for text in texts) + "\n]\n")


if __name__ == "__main__":
    main()
