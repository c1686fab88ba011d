// What a path is, where an answer of no is all that a failure to look means: a folder that may not be read is none.
#pragma once

#include <filesystem>

namespace wan {

inline bool is_folder(const std::filesystem::path& path) {
  std::error_code unknown;
  return std::filesystem::is_directory(path, unknown);
}

/// Of a regular file, or a link to one.
inline bool is_file(const std::filesystem::path& path) {
  std::error_code unknown;
  return std::filesystem::is_regular_file(path, unknown);
}

}  // namespace wan
