// Text made small for storing, in the format of gzip (RFC 1952).
#pragma once

#include <string>
#include <string_view>

namespace wan {

/// The same text gives the same bytes: neither name nor time is in them.
std::string gzip(std::string_view text);

}  // namespace wan
