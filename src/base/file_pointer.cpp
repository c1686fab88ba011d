#include "base/file_pointer.h"

#include <fstream>

namespace wan {

bool is_pointer(std::string_view text) {
  return text.starts_with("version https://git-lfs.github.com/spec/") || text.starts_with("/annex/objects/");
}

std::optional<std::string> pointer_text(const std::filesystem::path& path) {
  std::error_code missing;
  if (!std::filesystem::is_regular_file(path, missing)) return std::nullopt;
  const auto size = std::filesystem::file_size(path, missing);
  if (missing || size > kLongestPointer) return std::nullopt;
  std::ifstream stream(path, std::ios::binary);
  std::string text(kLongestPointer, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  return is_pointer(text) ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace wan
