// The card a checkpoint's folder may hold: README.md with a licence in its front matter, as model hubs write it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace wan::cli {

struct ModelCard {
  std::string licence;  // of the front matter; empty: none named
  std::string text;     // what follows the front matter
};

/// Front matter is what stands between a first line "---" and the next such line.
ModelCard parse_model_card(std::string_view file);

/// The folder's README.md; nothing when there is none, or when it is larger than a card is.
std::optional<ModelCard> read_model_card(const std::filesystem::path& folder);

}  // namespace wan::cli
