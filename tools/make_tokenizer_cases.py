#!/usr/bin/env python3
"""Writes tests/model/tokenizer_cases.json: texts and the ids Hugging Face's `tokenizers` gives for them.

Usage: make_tokenizer_cases.py TOKENIZER_JSON OUTPUT   (needs: pip install tokenizers; developed with 0.23.3)

Each variant is the fixture's tokenizer.json after a JSON patch, so that options the fixture does not use are covered too.
"""
import copy
import json
import random
import sys

from tokenizers import Tokenizer

WORDS = """a the cat cats dog moves spins slowly red blue circle on in of and video camera light bright gloves stage boxing
cinematic 4k anthropomorphic spotlighted intensely fight""".split()
POOLS = {
    "cjk": "色调艳丽过曝静态细节模糊不清字幕风格作品画作画面静止整体发灰最差质量低质量丑陋的残缺的多余的手指，。、！？",
    "kana": "ねこがボクシングをしている。カメラはゆっくり動くﾊﾝｶｸ",
    "hangul": "고양이가 무대에서 싸운다 가각",
    "cyrillic": "Кошка медленно идёт по сцене ёй",
    "arabic": "قطة تتحرك ببطء على المسرح ﷺ",
    "devanagari": "बिल्ली धीरे चलती है क्षत्रिय",
    "latin": "ünïcödé àèìòù ñ ç ß Å ﬁ ﬂ ﬀ œ æ Ø ł đ",
    "emoji": ["🐱", "👩‍👩‍👧", "👍🏽", "🇩🇪", "❤️", "☺", "🧑🏿‍🚀", "1️⃣"],
    "width": "ＡＢＣｘｙｚ０１２！？，．（）～￥",
    "symbols": "½ ² ³ ™ ℃ Ⅷ … ‥ ㌔ ㎏ ① ⑳ ∑ √ ≠ → ← ∞ € £ ¥ § ¶ † ‡ • ‰",
}
MARKS = ["\u0301", "\u0308", "\u0327", "\u030a", "\u0323", "\u200d", "\ufe0f", "\u0338"]
FIXED = [
    "", " ", "  ", "▁", "▁▁a", "a▁b", " a", "a ", " a ", "a  b", "a   b    c", "\t", "a\tb", "a\nb", "a\r\nb", "\r\n", "\n",
    "e\u0301", "cafe\u0301 au lait", "o\u0308\u0301", "ｅ\u0301", "e\u0301\u0301", "Å", "A\u030a", "\u0301", "\u0301a", "a\u200db", "x\ufe0f",
    "a\u200bb", "a\u200b", "\u200ba", "\u200b", "\ufeffa", "a\u00adb", "\u0000", "a\u0000b", "\u0001a\u007f", "a\u0085b",
    "\u00a0a\u00a0", "a\u3000b", "\u2028a\u2029", "´a", "a´", "¨", "…", "...", "a…b", "ﬁne ﬂow", "ﷺ", "㌔", "½ cup", "x²", "ſ", "İ", "ǆ",
    "가", "\u1100\u1161", "\u1100\u1161\u11a8", "क्ष", "👩‍👩‍👧", "❤️", "🇩🇪🇫🇷", "\U0001f600\U0001f601\U0001f602", "\U000f0000", "\ue000", "\uffff",
    "<pad>", "</s>", "<unk>", "a</s>b", "a </s> b", "</s></s>", "<s>", "<extra_id_0>", "a<extra_id_0> b", "<extra_id_299>", "<0x41>",
    "a<0x41>b", "<0x00>", "< /s>", "＜/s＞", "<PAD>", "</s", "<<pad>>", "the</s> cat <pad> the",
    "The cat. The CAT! the-cat", "aaaaaaaaaaaaaaaaaaaa", "zzzz qqqq xxxx", "~`!@#$%^&*()_+-=[]{}|;':\",./<>?\\", "0123456789 3.14 1e-5",
    "色调艳丽，过曝，静态，细节模糊不清，字幕", "猫 と 犬", "日本語とEnglishのmix", "ｆｕｌｌｗｉｄｔｈ　ｔｅｘｔ", "ϐ ϑ ϒ", "Ω Ω K K", "Ａ\u0308",
    "cat " * 600, "色" * 600, "🐱" * 200, "x" * 1200,
]


def random_texts(count):
    rng = random.Random(20240816)
    names = sorted(POOLS)
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 8)):
            kind = rng.random()
            if kind < 0.4:
                parts.append(rng.choice(WORDS))
            elif kind < 0.85:
                pool = POOLS[rng.choice(names)]
                parts.append("".join(rng.choice(pool) for _ in range(rng.randint(1, 5))))
            else:
                parts.append(rng.choice(WORDS) + rng.choice(MARKS) + rng.choice(["", rng.choice(MARKS)]))
        yield rng.choice(["", "", " "]) + rng.choice([" ", " ", "", "  ", ", "]).join(parts) + rng.choice(["", "", " ", "."])


def added(token_id, content, **flags):
    base = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    return {"op": "add", "path": "/added_tokens/-", "value": {"id": token_id, "content": content, **base, **flags}}


VARIANTS = {
    "as published": [],
    "no byte fallback": [{"op": "replace", "path": "/model/byte_fallback", "value": False}],
    "no byte fallback flag": [{"op": "remove", "path": "/model/byte_fallback"}],
    "strip right, runs to metaspace": [
        {"op": "add", "path": "/normalizer/normalizers/1", "value": {"type": "Strip", "strip_left": False, "strip_right": True}},
        {"op": "replace", "path": "/normalizer/normalizers/2/content", "value": "▁"},
    ],
    "extra ids": [added(443, "<extra_id_1>"), added(444, "<extra_id_0>"), added(445, "<extra_id_10>", lstrip=True, rstrip=True),
                  added(9, "cat", special=False, normalized=True), added(446, "dog", single_word=True)],
    # Cuts whose sums differ by rounding alone: the JSON parser's last digit decides.
    "ties": [{"op": "add", "path": "/model/vocab/-", "value": pair}
             for pair in (["X", -9.681530952453613], ["XX", -9.708370208740234], ["XXX", -9.071574211120605])],
    "prepend first": [{"op": "replace", "path": "/pre_tokenizer/prepend_scheme", "value": "first"}],
    "prepend never": [{"op": "replace", "path": "/pre_tokenizer/prepend_scheme", "value": "never"}],
    "no split": [{"op": "replace", "path": "/pre_tokenizer/split", "value": False}],
    "whitespace split": [{"op": "replace", "path": "/pre_tokenizer", "value": {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}]}}],
}


def patched(document, patch):
    document = copy.deepcopy(document)
    for step in patch:
        *parents, last = step["path"].lstrip("/").split("/")
        at = document
        for part in parents:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if isinstance(at, list):
            index = len(at) if last == "-" else int(last)
            if step["op"] == "add":
                at.insert(index, step["value"])
            else:
                at[index] = step["value"]
        elif step["op"] == "remove":
            del at[last]
        else:
            at[last] = step["value"]
    return document


def main():
    source, target = sys.argv[1:]
    document = json.load(open(source, encoding="utf-8"))
    extra = ["a <extra_id_0> b", "a <extra_id_10> b", "<extra_id_1><extra_id_0>", "x <extra_id_10>", "cat cats the cat", "dog dogs the dog.",
             "ｃａｔ", "dog", "ⅾog", "hotdog dog_ dog-", "<extra_id_10>  a", "\u200bcat"]
    full = FIXED + list(random_texts(120))
    short = [text for text in FIXED if len(text) < 100] + extra + full[-24:]
    variants = []
    for name, patch in VARIANTS.items():
        tokenizer = Tokenizer.from_str(json.dumps(patched(document, patch)))
        tokenizer.enable_truncation(512)
        texts = full if not patch else short
        if name == "ties":
            texts = texts + ["X" * count for count in range(2, 30)]
        cases = [[text, tokenizer.encode(text).ids] for text in texts]
        variants.append({"name": name, "patch": patch, "cases": cases})
    with open(target, "w", encoding="utf-8") as out:
        out.write('{"variants": [\n')
        for number, variant in enumerate(variants):
            cases = ",\n".join("  " + json.dumps(case, separators=(",", ":")) for case in variant["cases"])
            out.write(f' {{"name": {json.dumps(variant["name"])}, "patch": {json.dumps(variant["patch"])}, "cases": [\n{cases}\n ]}}')
            out.write("\n" if number + 1 == len(variants) else ",\n")
        out.write("]}\n")


if __name__ == "__main__":
    main()
