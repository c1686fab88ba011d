// Text as a tokenizer's file has it changed before it is cut: what the file says may make it longer, never without end.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wan {

/// Of one text, after any step. 512 tokens of it are kept.
inline constexpr size_t kMostNormalizedBytes = size_t{1} << 20;

/// Throws Error(kInput) where `text` would be longer than that.
void append_normalized(std::string& text, std::string_view more);

}  // namespace wan
