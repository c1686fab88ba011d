#include "model/mojibake_classes.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include <unicode/uchar.h>

namespace wan::mojibake {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char kSubstitute = 0x1A;

struct ClassRange {
  char32_t first, last;
  Classes classes;
};

#include "model/mojibake_tables.inc"

using Bytes = std::unordered_map<char32_t, char>;

/// Of each code page, the byte of each character of its upper half.
const std::vector<Bytes>& bytes_of_pages() {
  static const std::vector<Bytes> all = [] {
    std::vector<Bytes> made;
    for (const CodePage& page : kCodePages) {
      Bytes& bytes = made.emplace_back();
      for (size_t i = 0; i < page.upper.size(); ++i) bytes.emplace(page.upper[i], static_cast<char>(0x80 + i));
    }
    return made;
  }();
  return all;
}

Classes classes_of_any_text(char32_t c) {
  const bool small = c >= U'a' && c <= U'z', capital = c >= U'A' && c <= U'Z';
  Classes classes = small ? kSmallLatin : capital ? kCapitalLatin : kNotLatin;
  if (is_python_space(c)) classes |= kSpace;
  if (c != U'\n') classes |= kInLine;
  if (c == U'_' || (U_GET_GC_MASK(static_cast<UChar32>(c)) & (U_GC_L_MASK | U_GC_N_MASK)) != 0) classes |= kWord;
  return classes;
}

}  // namespace

bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

Classes classes_of(char32_t c) {
  const auto* range = std::ranges::lower_bound(kClassRanges, c, {}, &ClassRange::last);
  const bool inside = range != std::end(kClassRanges) && range->first <= c;
  return classes_of_any_text(c) | (inside ? range->classes : 0);
}

std::span<const CodePage> code_pages() { return kCodePages; }

std::optional<std::string> CodePage::encode(std::u32string_view text) const {
  const Bytes& bytes = bytes_of_pages()[static_cast<size_t>(this - kCodePages)];
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (losses == Losses::kAsSubstitute && (c == kReplacement || c == static_cast<char32_t>(kSubstitute))) {
      if (c != kReplacement) return std::nullopt;
      out.push_back(kSubstitute);
    } else if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else {
      const auto found = bytes.find(c);
      if (found == bytes.end()) return std::nullopt;
      out.push_back(found->second);
    }
  }
  return out;
}

}  // namespace wan::mojibake
