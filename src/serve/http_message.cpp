#include "serve/http_message.h"

#include <algorithm>

#include "base/checked_number.h"

namespace wan::serve {
namespace {

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::string query_word(std::string_view text) {
  std::string word(text);
  std::ranges::replace(word, '+', ' ');
  return percent_decoded(word);
}

}  // namespace

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && at + 2 < text.size()) {
      const std::optional<int> high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        at += 2;
        continue;
      }
    }
    out += text[at];
  }
  return out;
}

std::map<std::string, std::string> parse_query(std::string_view query) {
  std::map<std::string, std::string> out;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    const size_t equals = std::min(pair.find('='), pair.size());
    if (equals > 0)
      out[query_word(pair.substr(0, equals))] =
          equals < pair.size() ? query_word(pair.substr(equals + 1)) : std::string();
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  return out;
}

RangeAnswer parse_range(std::string_view header, uint64_t size) {
  const RangeAnswer whole{RangeKind::kWhole, {0, size}};
  constexpr std::string_view kBytes = "bytes=";
  if (!header.starts_with(kBytes)) return whole;
  const std::string_view range = header.substr(kBytes.size());
  const size_t dash = range.find('-');
  if (dash == std::string_view::npos || range.find(',') != std::string_view::npos) return whole;
  const auto first = checked_number<uint64_t>(range.substr(0, dash));
  const auto last = checked_number<uint64_t>(range.substr(dash + 1));
  if (dash == 0) {  // the last bytes
    if (!last) return whole;
    const uint64_t length = std::min(*last, size);
    if (length == 0) return {RangeKind::kUnsatisfiable, {}};
    return {RangeKind::kPart, {size - length, length}};
  }
  const bool has_last = dash + 1 < range.size();
  if (!first || (has_last && (!last || *last < *first))) return whole;
  if (*first >= size) return {RangeKind::kUnsatisfiable, {}};
  const uint64_t end = has_last ? std::min(*last, size - 1) : size - 1;
  return {RangeKind::kPart, {*first, end - *first + 1}};
}

}  // namespace wan::serve
