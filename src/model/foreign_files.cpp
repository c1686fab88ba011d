// What a single file is. Layouts: docs/formats.md, "Files of other programs".
#include "model/foreign_files.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/file_pointer.h"
#include "base/terminal.h"
#include "io/file_outline.h"
#include "io/gguf.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "io/zip.h"
#include "model/foreign_advice.h"
#include "model/weight_names.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostIndexBytes = uint64_t{64} << 20;

bool is_index(std::span<const std::byte> bytes, const fs::path& file) {
  return file.extension() == ".json" && !bytes.empty() && bytes.size() <= kMostIndexBytes;
}

/// "; it stands for 9999999 bytes", from a pointer's line "size 9999999".
std::string size_in_pointer(std::string_view text) {
  const size_t line = text.find("\nsize ");
  uint64_t size = 0;
  if (line == std::string_view::npos) return {};
  const std::string_view digits = text.substr(line + 6);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), size).ec != std::errc{}) return {};
  return fmt::format(" and stand for a file of {} bytes", size);
}

ForeignFiles pointer(const fs::path& file, std::string_view text) {
  return {ForeignKind::kPointer,
          file,
          "a pointer of git-lfs or git-annex, not the weights it stands for",
          fmt::format("its {} bytes are the text of one{}", text.size(), size_in_pointer(text)),
          "git keeps such a text in place of a large file that was not fetched",
          fmt::format("fetch it with `git lfs pull` or `git annex get` in that folder, or: {}", download_advice())};
}

ForeignFiles half(const fs::path& file, const std::string& evidence) {
  return {ForeignKind::kHalfDownload,
          file,
          "half a download",
          evidence,
          "weights are read whole or not at all",
          "run the same download again, which goes on where it stopped; or " + download_advice()};
}

/// Nothing where the file has what its header needs.
std::optional<ForeignFiles> short_of(const fs::path& file, const FileOutline& outline, uint64_t bytes) {
  if (outline.needed_bytes <= bytes) return std::nullopt;
  if (outline.tensors.empty()) return half(file, fmt::format("it ends within its own header, after {} bytes", bytes));
  return half(file, fmt::format("its header needs {} bytes, it has {}", outline.needed_bytes, bytes));
}

ForeignFiles lora(const fs::path& file, const NamedWeights& weights) {
  return {
      ForeignKind::kLora,
      file,
      "a LoRA, a change to a model and no model",
      weights.evidence,
      "a LoRA is added to a model and does nothing alone",
      "name the model that it was made for, and this with --lora FILE, or --lora-high and --lora-low for an expert: " +
          download_advice()};
}

ForeignFiles other_model(const fs::path& file, const NamedWeights& weights) {
  return {ForeignKind::kOtherModel,
          file,
          fmt::format("a file of another model, the {}", title_of(weights)),
          weights.evidence,
          "this program runs " + model_names_text() + " of Wan2.2 only",
          "name a checkpoint of one of these: " + download_advice()};
}

/// Nothing for a part of this family's models.
std::optional<ForeignFiles> single_weights(const char* format, const fs::path& file, const FileOutline& outline) {
  const NamedWeights weights = name_weights(outline);
  if (weights.part == HeldPart::kLora) return lora(file, weights);
  if (!weights.other_model.empty()) return other_model(file, weights);
  if (weights.part != HeldPart::kUnknown) return std::nullopt;
  std::string evidence = fmt::format("{} ({})", weights.evidence, types_of(outline));
  if (!outline.architecture.empty())
    evidence += fmt::format("; its architecture is '{}'", printable(outline.architecture));
  return ForeignFiles{ForeignKind::kOtherFile,
                      file,
                      fmt::format("a single {} file: {}", format, title_of(weights)),
                      std::move(evidence),
                      "it holds no DiT, text encoder or VAE of this family",
                      download_advice(weights.variant)};
}

/// A file of the official layout, named by itself.
ForeignFiles part(const fs::path& file, const std::string& evidence) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  return {ForeignKind::kPart,
          file,
          "one file of a checkpoint",
          evidence,
          "a checkpoint is named by its folder",
          fmt::format("name the folder that it belongs to, such as --checkpoint {}", printable(folder.string()))};
}

std::optional<ForeignFiles> index_of_shards(const fs::path& file) {
  const std::vector<std::string> shards = shards_of_index(read_text(file, kMostIndexBytes), file.string());
  if (shards.empty()) return std::nullopt;
  if (auto missing = missing_shards(file, shards)) return missing;
  return part(file, fmt::format("it is an index of {} files of tensors", shards.size()));
}

}  // namespace

std::string ForeignFiles::message() const {
  return fmt::format("{} is {}\nfound: {}\nnot read: {}\nto do: {}", terminal_text(path.string()), what, evidence,
                     reason, advice);
}

std::optional<ForeignFiles> missing_shards(const fs::path& index, const std::vector<std::string>& shards) {
  std::vector<std::string> missing;
  std::error_code unknown;
  for (const std::string& shard : shards)
    if (!fs::exists(index.parent_path() / shard, unknown)) missing.push_back(shard);
  if (missing.empty()) return std::nullopt;
  return half(index, fmt::format("{} of the {} files that it names are missing, the first '{}'", missing.size(),
                                 shards.size(), printable(missing.front())));
}

std::optional<ForeignFiles> damaged_weights(const fs::path& file) {
  if (!is_file(file)) return std::nullopt;
  if (const auto text = pointer_text(file)) return pointer(file, *text);
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  if (bytes.empty()) return half(file, "it is empty");
  if (looks_like_safetensors(bytes)) return short_of(file, outline_of_safetensors(bytes, file.string()), bytes.size());
  if (looks_like_gguf(bytes)) return short_of(file, outline_of_gguf(bytes, file.string()), bytes.size());
  if (looks_like_zip(bytes) && lacks_zip_directory(bytes))
    return half(file,
                fmt::format("it begins as an archive of torch and, after {} bytes, lacks the directory at its end",
                            bytes.size()));
  if (is_index(bytes, file) && file.filename().string().ends_with(".index.json"))
    return missing_shards(file, shards_of_index(read_text(file, kMostIndexBytes), file.string()));
  return std::nullopt;
}

std::optional<ForeignFiles> foreign_file(const fs::path& file) {
  if (file.extension() == ".incomplete") return half(file, "its name ends with .incomplete");
  if (auto damaged = damaged_weights(file)) return damaged;
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  if (looks_like_gguf(bytes)) return single_weights("GGUF", file, outline_of_gguf(bytes, file.string()));
  if (looks_like_safetensors(bytes))
    return single_weights("safetensors", file, outline_of_safetensors(bytes, file.string()));
  if (is_index(bytes, file))
    if (auto index = index_of_shards(file)) return index;
  if (looks_like_zip(bytes)) return part(file, "it is an archive as torch writes .pth files");
  return ForeignFiles{ForeignKind::kOtherFile,
                      file,
                      "a file that is no weights",
                      "its first bytes are those of no safetensors, GGUF or .pth file",
                      "a checkpoint is a folder in the official layout",
                      download_advice()};
}

std::optional<ForeignFiles> find_foreign_files(const fs::path& checkpoint) {
  if (is_folder(checkpoint)) return foreign_folder(checkpoint);
  if (is_file(checkpoint)) return foreign_file(checkpoint);
  return std::nullopt;
}

}  // namespace wan
