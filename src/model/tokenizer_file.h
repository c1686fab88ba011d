// What a Hugging Face tokenizer.json says, checked: the settings its Unigram pipeline runs with. Runs nothing itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/charsmap.h"
#include "model/unigram.h"

namespace wan {

/// A literal string that becomes one id wherever it stands.
struct AddedToken {
  int32_t id = 0;
  std::string text;
  bool whole_word = false;  // only between non-word characters
  bool strip_left = false;  // takes the white space before it along
  bool strip_right = false;
  bool in_normalized = false;  // looked for after normalisation rather than before
};

// Normalisation steps, run in the file's order.
struct ReplaceText {
  std::string from, to;
};
struct ReplaceSpaceRuns {  // runs of two and more U+0020
  std::string to;
};
struct StripSpace {
  bool left = false, right = false;
};
enum class UnicodeForm { kNfc, kNfd, kNfkc, kNfkd };
using NormalizerStep = std::variant<Charsmap, ReplaceText, ReplaceSpaceRuns, StripSpace, UnicodeForm>;

enum class Prepend { kAlways, kFirst, kNever };

/// The pre-tokenizer: spaces become `marker`, one is put in front, and pieces begin at markers.
struct Metaspace {
  std::string marker = "\u2581";
  Prepend prepend = Prepend::kAlways;
  bool split = true;
  bool split_on_white_space = false;  // first, dropping the white space
};

struct TokenizerFile {
  std::vector<NormalizerStep> normalizer;
  Metaspace metaspace;
  std::vector<ScoredPiece> vocabulary;  // id order
  int32_t unknown_id = 0;
  UnknownAs unknown_as = UnknownAs::kId;
  std::vector<AddedToken> added;
};

/// Reads the text of a tokenizer.json. Its vocabulary is streamed, never held as a document. Throws Error(kInput),
/// naming the member, for malformed JSON, a model other than Unigram, a step this engine does not have, and ids, scores
/// or strings that cannot be. Source: tokenizers (Hugging Face), its serialised form.
TokenizerFile parse_tokenizer_json(std::string_view json);

}  // namespace wan
