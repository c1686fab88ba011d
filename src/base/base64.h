// Bytes as text: for pictures inside a page.
#pragma once

#include <string>
#include <string_view>

namespace wan {

/// RFC 4648, section 4: the usual alphabet, padded, without line breaks.
std::string to_base64(std::string_view bytes);

}  // namespace wan
