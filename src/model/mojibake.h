// Mojibake: UTF-8 that some program decoded in a single-byte encoding, so that "é" became "Ã©". Told from intended text
// by pairs and triples of characters that hardly occur otherwise, and mended by encoding the text back and decoding it
// as UTF-8. What was mixed up between two single-byte encodings is left as it is.
#pragma once

#include <string>
#include <string_view>

namespace wan {

/// Whether the text looks like mojibake somewhere. Source: ftfy 6.3 badness.is_bad.
bool looks_like_mojibake(std::u32string_view text);

/// The text as it was meant, mended as often as it was garbled; text that does not look like mojibake as it is. No
/// surrogate is in the result. Source: ftfy 6.3 fix_encoding with its defaults.
std::u32string mend_mojibake(std::u32string_view text);

}  // namespace wan
