"""Prompts to token ids, with the small model's SentencePiece file (make_tokenizer.py writes it)."""
import pathlib

import sentencepiece

# Ids of the official tokenizer.
PAD, END, BEGIN, UNKNOWN = 0, 1, 2, 3


class Tokenizer:
    """Prompts to ids, the closing </s> included."""

    def __init__(self, folder):
        self._model = sentencepiece.SentencePieceProcessor(model_file=str(pathlib.Path(folder) / "spiece.model"))
        self._known = {}

    @property
    def size(self):
        return self._model.GetPieceSize()

    def encode(self, prompt):
        if prompt not in self._known:
            self._known[prompt] = [*self._model.EncodeAsIds(prompt), END]
        return self._known[prompt]

    def batch(self, prompts, length):
        """Rows of ids padded to `length`, and how many are real; as lists."""
        rows = [self.encode(p) for p in prompts]
        longest = max(map(len, rows))
        if longest > length:
            raise ValueError(f"a prompt has {longest} tokens, at most {length} are kept")
        return [row + [PAD] * (length - len(row)) for row in rows], [len(row) for row in rows]
