// What the fuzz targets share: the input as a text or a file, and the check of what must hold whatever was read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace wan::fuzz {

using Bytes = std::span<const uint8_t>;

std::string_view text_of(Bytes input);

/// What stands before the first NUL and behind it: a file with something that is fed to what it says.
std::pair<std::string_view, std::string_view> cut_at_nul(Bytes input);

/// Writes the input to a file in memory and returns its path. The same file is used each time.
std::filesystem::path as_file(Bytes input);

/// Throws what no reader may throw, so that it is a find, unless `holds`.
void check(bool holds, const char* what);

/// What `read` returns of something that this program wrote: to refuse that is a find.
template <class Read>
auto read_again(Read read) {
  try {
    return read();
  } catch (const Error& refusal) {
    check(false, (std::string("what was written is refused: ") + refusal.what()).c_str());
    throw;
  }
}

}  // namespace wan::fuzz
