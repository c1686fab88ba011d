// The files that a request reads, by what they hold.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace wan {

/// A file that a request reads: its name without folders, and the SHA-256 of its content.
struct InputFile {
  std::string name, sha256;
  bool operator==(const InputFile&) const = default;
};

/// The digest of a file that a request names; nothing for no path. Throws Error(kInput) when it cannot be read.
std::optional<InputFile> input_file(const std::filesystem::path& path);

}  // namespace wan
