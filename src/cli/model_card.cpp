#include "cli/model_card.h"

#include <cstdint>

#include "base/file.h"

namespace wan::cli {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 20;
constexpr std::string_view kFence = "---\n";
constexpr std::string_view kLicenceKey = "license:";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\"'";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::string licence_of(std::string_view front_matter) {
  while (!front_matter.empty()) {
    const size_t end = front_matter.find('\n');
    const std::string_view line = front_matter.substr(0, end);
    if (line.starts_with(kLicenceKey)) return std::string(trimmed(line.substr(kLicenceKey.size())));
    front_matter.remove_prefix(end == std::string_view::npos ? front_matter.size() : end + 1);
  }
  return {};
}

}  // namespace

ModelCard parse_model_card(std::string_view file) {
  ModelCard card;
  if (file.starts_with(kFence)) {
    const std::string_view rest = file.substr(kFence.size());
    const size_t end = rest.starts_with(kFence) ? 0 : rest.find("\n---\n");
    if (end != std::string_view::npos) {
      card.licence = licence_of(rest.substr(0, end));
      file = rest.substr(end + (end == 0 ? kFence.size() : kFence.size() + 1));
    }
  }
  card.text = std::string(trimmed(file));
  return card;
}

std::optional<ModelCard> read_model_card(const std::filesystem::path& folder) {
  const auto path = folder / "README.md";
  std::error_code problem;
  const auto bytes = std::filesystem::file_size(path, problem);
  if (problem || bytes > kMaxBytes) return std::nullopt;
  return parse_model_card(read_text(path, kMaxBytes));
}

}  // namespace wan::cli
