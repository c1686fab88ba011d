#include "pipeline/input_file.h"

#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"

namespace wan {
namespace {

/// Of a folder of pictures and films: of their names and digests, in order of their names. A film may be a folder of
/// pictures itself, which has no other.
std::string digest_of_folder(const std::filesystem::path& folder, bool may_nest = true) {
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::filesystem::path kind = entry.path().extension();
    if (kind == ".png" || kind == ".mp4") files.insert(entry.path());
  }
  std::string text;
  for (const std::filesystem::path& file : files) {
    const bool is_folder = std::filesystem::is_directory(file);
    require(!is_folder || (may_nest && file.extension() == ".mp4"), fmt::format("{}: is a folder", file.string()));
    text += file.filename().string() + " " + (is_folder ? digest_of_folder(file, false) : sha256_of_file(file)) + "\n";
  }
  return sha256_hex(text);
}

}  // namespace

std::optional<InputFile> input_file(const std::filesystem::path& path) {
  if (path.empty()) return std::nullopt;
  if (std::filesystem::is_directory(path)) return InputFile{path.filename().string(), digest_of_folder(path)};
  return InputFile{path.filename().string(), sha256_of_file(path)};
}

}  // namespace wan
