// Literal tokens (</s>, <pad>, <extra_id_0> ...) found in running text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer_file.h"

namespace wan {

/// Part of a text: a stretch of it, or a token that stood there.
struct TextPart {
  std::string_view text;
  int32_t id = -1;  // -1: plain text
};

/// Cuts `text` at the tokens in it: leftmost first, the longest where several begin. White space a token strips belongs
/// to it. Plain parts are never empty. Source: tokenizers, tokenizer/added_vocabulary.rs, find_matches.
std::vector<TextPart> split_at_tokens(std::string_view text, const std::vector<AddedToken>& tokens);

/// Unicode White_Space, as Rust's char::is_whitespace.
bool is_white_space(char32_t c);

}  // namespace wan
