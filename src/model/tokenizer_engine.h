// The two ways to turn text into ids, for Tokenizer alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "model/tokenizer_file.h"

namespace wan {

class TokenizerEngine {
 public:
  virtual ~TokenizerEngine() = default;
  /// Ids of well-formed UTF-8 text, without </s> unless the text says it.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  virtual int32_t end_id() const = 0;
  virtual int32_t id_bound() const = 0;
};

/// The pipeline a tokenizer.json describes. Throws Error(kInput) when it has no </s>.
std::unique_ptr<const TokenizerEngine> make_fast_tokenizer(TokenizerFile file);

/// libsentencepiece on a spiece.model. Throws Error(kInput) for a model it refuses, and for a character map that would
/// lead it outside.
std::unique_ptr<const TokenizerEngine> make_sentencepiece_tokenizer(std::string_view model);

}  // namespace wan
