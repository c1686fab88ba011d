"""The small model's SentencePiece vocabulary: the grammar's words, written as the official two files.

SentencePiece makes the character map; the pieces are the captions' words by their frequency, and single letters to
spell what is none of them. (Its own choice of pieces would cut the words of so small a language up.)
"""
import base64
import collections
import json
import math
import pathlib
import random
import string
import sys
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

import grammar
from tokenizer import BEGIN, END, PAD, UNKNOWN

_LETTERS = string.ascii_lowercase + string.digits + "-"
_LETTER_SCORE = -12.0  # spelling a word costs more than any word does
_IGNORED = ",.;:!?\"'，。"  # written in prompts, never said in a caption


def _normalisation():
    """Lower case, no punctuation: lines of code points in hexadecimal, from and to."""
    lower = [f"{ord(c):X}\t{ord(c.lower()):X}" for c in string.ascii_uppercase]
    return "\n".join(lower + [f"{ord(c):X}\t" for c in _IGNORED]) + "\n"


def _corpus(lines=20000, seed=1):
    rng = random.Random(seed)
    scenes = grammar.all_scenes(held_out=False)
    return [grammar.caption(rng.choice(scenes), rng) for _ in range(lines)]


def _train(folder):
    (folder / "rules.tsv").write_text(_normalisation(), encoding="utf-8")
    (folder / "corpus.txt").write_text("\n".join(_corpus()) + "\n", encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "spiece"),
        model_type="unigram",
        vocab_size=len(_LETTERS) + 16,
        hard_vocab_limit=False,
        normalization_rule_tsv=str(folder / "rules.tsv"),
        required_chars=_LETTERS,
        pad_id=PAD,
        eos_id=END,
        bos_id=BEGIN,
        unk_id=UNKNOWN,
        pad_piece="<pad>",
        eos_piece="</s>",
        bos_piece="<s>",
        unk_piece="<unk>",
        num_threads=1,
        minloglevel=1,
    )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString((folder / "spiece.model").read_bytes())
    return model


def _pieces():
    """(piece, score) of the words, most frequent first, and of the letters."""
    counts = collections.Counter(word.strip(_IGNORED) for line in _corpus() for word in line.split())
    total = sum(counts.values())
    words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    # The article is a letter too; "▁" stands before a word that must be spelt.
    out = [("▁" + word, math.log(count / total)) for word, count in words]
    return out + [(letter, _LETTER_SCORE) for letter in "▁" + _LETTERS]


def _model():
    with tempfile.TemporaryDirectory() as work:
        model = _train(pathlib.Path(work))
    # The special pieces come first.
    del model.pieces[UNKNOWN + 1 :]
    for piece, score in _pieces():
        model.pieces.add(piece=piece, score=score)
    model.trainer_spec.vocab_size = len(model.pieces)
    # Where it was trained is nobody's business.
    for spec, field in ((model.trainer_spec, "input"), (model.trainer_spec, "model_prefix"), (model.normalizer_spec, "normalization_rule_tsv")):
        spec.ClearField(field)
    return model


def _fast_tokenizer(model):
    """tokenizer.json with the model's pieces and character map, as the official conversion writes it."""
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    special = [(PAD, "<pad>"), (END, "</s>"), (BEGIN, "<s>"), (UNKNOWN, "<unk>")]
    template = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for i, text in special
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Precompiled", "precompiled_charsmap": charsmap},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                {"type": "Strip", "strip_left": True, "strip_right": True},
            ],
        },
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": template,
            "pair": template + [{"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [END], "tokens": ["</s>"]}},
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": UNKNOWN,
            "vocab": [[piece.piece, piece.score] for piece in model.pieces],
            "byte_fallback": False,
        },
    }


def write(folder):
    """Writes spiece.model, tokenizer.json and tokenizer_config.json into `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = _model()
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "tokenizer.json").write_text(json.dumps(_fast_tokenizer(model), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    config = {"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "extra_ids": 0}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(sys.argv[1])
