// Facts about characters that occur in mojibake: which class of the heuristic each belongs to, and what the upper half
// of each single-byte encoding stands for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wan::mojibake {

/// Bits of a set of classes. A character may be in several.
using Classes = uint32_t;

inline constexpr Classes kCommon = 1u << 0;  // found in much that is no mojibake
inline constexpr Classes kC1 = 1u << 1;      // the control characters U+0080 to U+009F
inline constexpr Classes kBad = 1u << 2;     // found in little else
inline constexpr Classes kLaw = 1u << 3;
inline constexpr Classes kCurrency = 1u << 4;
inline constexpr Classes kStart = 1u << 5;  // punctuation that opens
inline constexpr Classes kEnd = 1u << 6;    // punctuation that closes
inline constexpr Classes kNumeric = 1u << 7;
inline constexpr Classes kKaomoji = 1u << 8;       // letters of faces drawn with characters
inline constexpr Classes kUpper = 1u << 9;         // accented capitals
inline constexpr Classes kLower = 1u << 10;        // accented small letters
inline constexpr Classes kUpperCommon = 1u << 11;  // Greek and Cyrillic
inline constexpr Classes kLowerCommon = 1u << 12;
inline constexpr Classes kBox = 1u << 13;
inline constexpr Classes kLead2 = 1u << 14;  // stands for the first byte of two in UTF-8
inline constexpr Classes kLead3 = 1u << 15;
inline constexpr Classes kLead4 = 1u << 16;
inline constexpr Classes kTrail = 1u << 17;        // stands for a later byte, or is a space where U+00A0 was
inline constexpr Classes kTrailStrict = 1u << 18;  // and hardly for itself beside mojibake
// What any text has:
inline constexpr Classes kSmallLatin = 1u << 19;    // a to z
inline constexpr Classes kCapitalLatin = 1u << 20;  // A to Z
inline constexpr Classes kNotLatin = 1u << 21;      // neither
inline constexpr Classes kSpace = 1u << 22;         // as Python's \s
inline constexpr Classes kWord = 1u << 23;          // as Python's \w
inline constexpr Classes kInLine = 1u << 24;        // all but the line feed

Classes classes_of(char32_t c);

/// As Python's str.isspace.
bool is_python_space(char32_t c);

enum class Losses { kNone, kAsSubstitute };  // U+FFFD is written as byte 0x1A, and only it
enum class Spaces { kMayBeA0, kAsTheyAre };  // whether a space may be a byte 0xA0 that was taken for one

/// A single-byte encoding whose lower half is ASCII. The bytes 0x80 to 0xFF stand for `upper`.
struct CodePage {
  Losses losses;
  Spaces spaces;
  std::array<char16_t, 128> upper;

  /// Nothing where a character is not in it.
  std::optional<std::string> encode(std::u32string_view text) const;
};

/// In the order in which they are tried.
std::span<const CodePage> code_pages();

}  // namespace wan::mojibake
