// Bytes as text and back: for pictures inside a page, in orders of clients, for tables inside JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wan {

/// RFC 4648, section 4: the usual alphabet, padded, without line breaks.
std::string to_base64(std::string_view bytes);

/// Inverse of it; nothing for any text that it does not write.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace wan
