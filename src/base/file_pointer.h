// What git keeps in place of a large file that was not fetched: the text of a pointer of git-lfs or git-annex.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace wan {

inline constexpr size_t kLongestPointer = 1024;

/// Whether a file of this text is a pointer.
bool is_pointer(std::string_view text);

/// The text, where that is what the file at `path` is. Nothing of any other, or of none.
std::optional<std::string> pointer_text(const std::filesystem::path& path);

}  // namespace wan
