// Tokenizers that come as a list of pieces: SentencePiece models and GGUF's keys. They are run by the same engine as
// tokenizer.json, with the settings that Hugging Face's converter gives a T5 tokenizer, so that the ids are the same.
// Source: transformers, convert_slow_tokenizer.py (SpmConverter, T5Converter).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer_file.h"

namespace wan {

class TensorFile;

/// As SentencePiece and GGUF number them.
enum class PieceKind : uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct PieceTable {
  std::vector<ScoredPiece> pieces;  // in the order of their ids
  std::vector<PieceKind> kinds;     // as many
  std::string charsmap;             // precompiled; may be empty
  int32_t unknown_id = 0;
  bool collapses_spaces = true;
  bool prepends_space = true;
  int32_t extra_ids = 0;  // <extra_id_N> behind the pieces, the last one first
};

/// Control pieces and those of users are found literally, unused ones never. Throws Error(kInput) for a table without
/// pieces, an unknown id beyond it, and pieces that are empty or no UTF-8.
TokenizerFile tokenizer_of_pieces(PieceTable table);

/// A spiece.model. Throws Error(kInput) for what libsentencepiece refuses.
PieceTable read_sentencepiece_pieces(std::string_view model);

/// tokenizer.ggml.* of a GGUF file. Throws Error(kInput) naming the file and the key that is missing or does not fit
/// the others.
PieceTable read_gguf_pieces(const TensorFile& file);

}  // namespace wan
