// Prompt cleaning before the tokenizer, as the official pipelines do it: ftfy, HTML-unescape twice, single spaces.
//
// Of ftfy's default fix_text this is all: HTML references (in text without "<"), mojibake, Windows-1252 for C1
// controls, Latin ligatures, full-width and half-width forms, curly quotes, line breaks, terminal escapes, control
// characters and NFC, line by line and repeated until nothing changes.
#pragma once

#include <string>
#include <string_view>

namespace wan {

/// The text the tokenizer gets for a prompt. Case and punctuation are kept.
/// Throws Error(kUsage) naming the offset of the first byte that is not well-formed UTF-8.
/// Source: Wan2.2 wan/modules/tokenizers.py, HuggingfaceTokenizer (clean="whitespace"); ftfy 6.3 fix_text.
std::string clean_prompt(std::string_view utf8);

/// ftfy's part of it. `text` must be well-formed UTF-8.
std::string fix_text(std::string_view text);

}  // namespace wan
