// What the two halves of the detector of foreign files share: files and folders.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/foreign_files.h"
#include "model/variant.h"

namespace wan {

/// "a folder in the official layout is had by: hf download REPOSITORY --local-dir FOLDER", of that model or the first.
std::string download_advice(const Variant* variant = nullptr);

/// Half a download where some of the files that an index names are not beside it.
std::optional<ForeignFiles> missing_shards(const std::filesystem::path& index, const std::vector<std::string>& shards);

}  // namespace wan
