// What garbled text becomes when it is encoded back: bytes that are UTF-8 but for what programs on the way did to them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wan::mojibake {

/// Spaces that stand where UTF-8 would have the byte 0xA0 become it, where that makes a likely character; "Ã " as a
/// word of its own becomes "à ". Source: ftfy 6.3 fixes.restore_byte_a0.
std::string with_spaces_as_a0(std::string_view bytes);

/// Sequences of UTF-8 that lost a byte (0x1A, or a question mark) become U+FFFD, as does 0x1A by itself.
/// Source: ftfy 6.3 fixes.replace_lossy_sequences.
std::string with_losses_marked(std::string_view bytes);

/// UTF-8 in which surrogate pairs may be written as two characters (CESU-8) and U+0000 as C0 80 (Java). Nothing where
/// the bytes are neither. Source: ftfy 6.3 bad_codecs/utf8_variants.
std::optional<std::u32string> decode_utf8_variant(std::string_view bytes);

}  // namespace wan::mojibake
