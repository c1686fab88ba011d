#include "model/added_tokens.h"

#include <algorithm>

#include <unicode/uchar.h>

#include "base/utf8.h"

namespace wan {
namespace {

// The code point that ends at `end`.
char32_t code_point_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  return next_code_point(text, at);
}

// \w of the regex crate: Alphabetic, marks, decimal digits, connector punctuation, joiners.
bool is_word(char32_t c) {
  const auto point = static_cast<UChar32>(c);
  const uint32_t mask = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_hasBinaryProperty(point, UCHAR_ALPHABETIC) || u_hasBinaryProperty(point, UCHAR_JOIN_CONTROL) ||
         (U_GET_GC_MASK(point) & mask) != 0;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  size_t after = end;
  return (begin == 0 || !is_word(code_point_before(text, begin))) &&
         (end == text.size() || !is_word(next_code_point(text, after)));
}

size_t skip_space_left(std::string_view text, size_t begin, size_t limit) {
  while (begin > limit && is_white_space(code_point_before(text, begin))) {
    --begin;
    while ((static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  }
  return std::max(begin, limit);
}

size_t skip_space_right(std::string_view text, size_t end) {
  for (size_t at = end; at < text.size(); end = at)
    if (!is_white_space(next_code_point(text, at))) break;
  return end;
}

const AddedToken* longest_at(std::string_view text, size_t at, const std::vector<AddedToken>& tokens) {
  const AddedToken* best = nullptr;
  for (const AddedToken& token : tokens)
    if (text.substr(at).starts_with(token.text) && (best == nullptr || token.text.size() > best->text.size()))
      best = &token;
  return best;
}

}  // namespace

bool is_white_space(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)) != 0; }

std::vector<TextPart> split_at_tokens(std::string_view text, const std::vector<AddedToken>& tokens) {
  std::vector<TextPart> parts;
  std::string first_bytes;
  for (const AddedToken& token : tokens) first_bytes.push_back(token.text[0]);
  size_t done = 0;
  for (size_t at = text.find_first_of(first_bytes); at != std::string_view::npos;
       at = text.find_first_of(first_bytes, at)) {
    const AddedToken* token = longest_at(text, at, tokens);
    if (token == nullptr) {
      ++at;
      continue;
    }
    const size_t stop = at + token->text.size();
    if (!token->whole_word || stands_alone(text, at, stop)) {
      const size_t begin = token->strip_left ? skip_space_left(text, at, done) : at;
      const size_t end = token->strip_right ? skip_space_right(text, stop) : stop;
      if (begin > done) parts.push_back({text.substr(done, begin - done), -1});
      parts.push_back({text.substr(begin, end - begin), token->id});
      done = end;
    }
    at = stop;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

}  // namespace wan
