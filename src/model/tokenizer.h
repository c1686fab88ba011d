// Text to token ids, as the official pipelines' Hugging Face fast tokenizer gives them.
//
// Why this is not libsentencepiece: of 221 texts (tools/make_tokenizer_cases.py, tokenizers 0.23.3 against
// sentencepiece 0.2.3 on the same model) 80 got other ids. The fast tokenizer keeps a space that ends the text or comes
// out of normalisation, maps characters by grapheme cluster rather than by longest match, lets "<0x41>" and other
// special pieces match literally, cuts at spaces before the search and sums scores in float64 (read with its JSON
// parser's rounding, which decides ties); it takes byte_fallback from tokenizer.json, not from the model. All of that
// is done here from tokenizer.json. spiece.model, the fallback when there is no tokenizer.json, is run by
// libsentencepiece.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace wan {

inline constexpr int kTextLength = 512;  // tokens, with the one that ends the text; Wan2.2's text_len

class TokenizerEngine;
class TensorFile;
struct StoredTensor;

/// Whether a GGUF file has a tokenizer.
bool holds_gguf_tokenizer(const TensorFile& file);

/// Immutable; `encode` may be called from several threads.
class Tokenizer {
 public:
  /// Opens tokenizer.json in an official google/umt5-xxl folder, or else spiece.model; or one of these by its own path.
  /// Throws Error(kInput) naming the file when neither is there or it is malformed.
  explicit Tokenizer(const std::filesystem::path& path);
  /// From the contents of those files. Throws Error(kInput).
  static Tokenizer from_tokenizer_json(std::string_view json);
  static Tokenizer from_sentencepiece_model(std::string_view model);
  /// From a SentencePiece model within a file of weights, and from the keys tokenizer.ggml.* of a GGUF file: by the
  /// engine that runs tokenizer.json. Throws Error(kInput) naming the file.
  static Tokenizer from_spiece_within(const TensorFile& file, const StoredTensor& model);
  static Tokenizer from_gguf(const TensorFile& file);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids of `cleaned_text` (see text_cleaning.h), cut to max_length - 1, then </s>. No padding, nothing in front; an
  /// empty text gives </s> alone. Throws Error(kUsage) for text that is not UTF-8 or longer than 16 MiB, and for
  /// max_length < 1. Source: Wan2.2 wan/modules/tokenizers.py, HuggingfaceTokenizer.
  std::vector<int32_t> encode(std::string_view cleaned_text, int max_length = kTextLength) const;

  /// One more than the largest id `encode` can return: the embedding needs this many rows.
  int32_t id_bound() const;

 private:
  explicit Tokenizer(std::unique_ptr<const TokenizerEngine> engine);
  std::unique_ptr<const TokenizerEngine> engine_;
};

}  // namespace wan
