// What a folder is that is no checkpoint in the official layout, or not a whole one.
#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/file_kind.h"
#include "base/file_pointer.h"
#include "base/json_parse.h"
#include "io/file_outline.h"
#include "io/printable.h"
#include "model/foreign_advice.h"
#include "model/official_layout.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Found = std::optional<ForeignFiles>;

constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;
constexpr size_t kMostEntries = 10'000;
constexpr size_t kMostNamed = 3;

/// The image encoder of Wan2.1, which of Wan2.2's models only those have that a driving video moves.
constexpr std::string_view kWan21ImageEncoder = kImageEncoderName;

/// A small object of JSON; null where there is none.
Json object_in(const fs::path& file) {
  if (!is_file(file) || pointer_text(file)) return nullptr;
  Json json = parse_json(read_text(file, kMostConfigBytes), file.string());
  return json.is_object() ? json : Json(nullptr);
}
std::string text_in(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// Whether a name ends as files of single weights do.
bool is_loose(const fs::path& path) { return path.extension() == ".safetensors" || path.extension() == ".gguf"; }

/// Files of weights in the folder itself, sorted, kMostLooked at most.
std::vector<fs::path> weights_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failure;
  size_t seen = 0;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end && seen < kMostEntries;
       entry.increment(failure), ++seen)
    if (is_loose(entry->path()) && is_file(entry->path())) files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  if (files.size() > kMostLooked) files.resize(kMostLooked);
  return files;
}

/// Those of the folder, or where it has none of the folders in it.
std::vector<fs::path> weights_in_or_below(const fs::path& folder) {
  std::vector<fs::path> files = weights_in(folder);
  std::error_code failure;
  size_t seen = 0;
  if (!files.empty()) return files;
  for (fs::directory_iterator entry(folder, failure), end;
       !failure && entry != end && seen < kMostLooked && files.size() < kMostLooked; entry.increment(failure), ++seen)
    if (is_folder(entry->path()))
      for (fs::path& file : weights_in(entry->path())) files.push_back(std::move(file));
  std::sort(files.begin(), files.end());
  return files;
}

std::string names_of(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(files.size(), kMostNamed); ++i)
    names.push_back(printable(files[i].filename().string()));
  return fmt::format("{}{}", fmt::join(names, ", "), files.size() > kMostNamed ? ", ..." : "");
}

bool has_dit(const fs::path& folder) { return is_file(folder / kDitName) || is_file(folder / kDitIndexName); }

/// The folders of DiTs that are here: those of experts, or the folder itself.
std::vector<fs::path> dit_folders(const fs::path& folder) {
  std::vector<fs::path> found;
  if (has_dit(folder)) found.push_back(folder);
  for (const Variant& row : variants())
    for (const ExpertSpec& expert : row.experts) {
      const fs::path below = folder / expert.folder;
      if (!expert.folder.empty() && is_folder(below) && std::find(found.begin(), found.end(), below) == found.end())
        found.push_back(below);
    }
  return found;
}

bool is_experts_folder(const fs::path& folder) {
  const std::string name = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  return std::any_of(variants().begin(), variants().end(), [&](const Variant& row) {
    return std::any_of(row.experts.begin(), row.experts.end(),
                       [&](const ExpertSpec& expert) { return !expert.folder.empty() && name == expert.folder; });
  });
}

ForeignFiles wan21(const fs::path& folder, const std::string& form, const std::string& evidence) {
  return {ForeignKind::kOtherModel,
          folder,
          "a Wan2.1 model, " + form,
          evidence,
          "this program runs " + model_names_text() + " of Wan2.2 only",
          "name a checkpoint of one of these: " + download_advice()};
}

/// Wan2.1 in the official layout: its DiT lies in the folder itself, where Wan2.2 has folders of experts.
Found official_wan21(const fs::path& folder) {
  const std::string class_name = text_in(object_in(folder / "config.json"), "_class_name");
  const bool attends_to_picture = std::ranges::any_of(
      variants(), [&](const Variant& row) { return row.takes_driving_video() && row.class_name == class_name; });
  if (is_file(folder / kWan21ImageEncoder) && !attends_to_picture)
    return wan21(folder, "in its official layout", fmt::format("it has the image encoder {}", kWan21ImageEncoder));
  const std::string task = text_in(object_in(folder / "config.json"), "model_type");
  const Variant* row = find_task(task);
  if (has_dit(folder) && row != nullptr && row->experts.size() > 1 && is_file(folder / row->vae_traits().file_name))
    return wan21(
        folder, "in its official layout",
        fmt::format("config.json has model_type {}, which is two experts in folders of their own in Wan2.2, and "
                    "one DiT lies in the folder itself",
                    row->task));
  if (has_dit(folder) && row == nullptr && (task == "flf2v" || task == "vace"))
    return wan21(folder, "in its official layout", fmt::format("config.json has model_type {}", task));
  return std::nullopt;
}

/// Pointers, files that are cut off and shards that are missing among the weights that are here.
Found damaged_official(const fs::path& folder) {
  std::vector<fs::path> files{folder / kTextEncoderName};
  for (const Variant& row : variants()) files.push_back(folder / row.vae_traits().file_name);
  for (const fs::path& dit : dit_folders(folder)) {
    files.push_back(dit / kDitIndexName);
    for (const fs::path& shard : weights_in(dit)) files.push_back(shard);
  }
  for (const fs::path& file : files)
    if (auto damaged = damaged_weights(file)) return damaged;
  return std::nullopt;
}

/// What huggingface's client leaves while a download goes on: in the folder's own cache, or among a cache's blobs.
std::vector<fs::path> unfinished_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::path& place : {folder / ".cache/huggingface/download", folder / "blobs"}) {
    std::error_code failure;
    size_t seen = 0;
    for (fs::recursive_directory_iterator entry(place, failure), end; !failure && entry != end && seen < kMostEntries;
         entry.increment(failure), ++seen)
      if (entry->path().extension() == ".incomplete") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// What a checkpoint of some model consists of and this has not; a folder with nothing unfinished in it is left to
/// open_checkpoint, which names what is missing.
Found unfinished(const fs::path& folder) {
  const std::vector<fs::path> files = unfinished_in(folder);
  if (files.empty()) return std::nullopt;
  const bool has_vae = std::any_of(variants().begin(), variants().end(),
                                   [&](const Variant& row) { return is_file(folder / row.vae_traits().file_name); });
  const std::vector<fs::path> dits = dit_folders(folder);
  const bool has_dits = !dits.empty() && std::all_of(dits.begin(), dits.end(), has_dit);
  if (has_dits && has_vae && is_file(folder / kTextEncoderName)) return std::nullopt;
  return ForeignFiles{ForeignKind::kHalfDownload,
                      folder,
                      "half a download",
                      fmt::format("{} unfinished file{} of huggingface's client in it, the first {}", files.size(),
                                  files.size() == 1 ? "" : "s", printable(files.front().filename().string())),
                      "weights are read whole or not at all",
                      "run the same `hf download` again, which goes on where it stopped"};
}

Found official(const fs::path& folder) {
  if (is_experts_folder(folder) && has_dit(folder) && !is_file(folder / kTextEncoderName))
    return ForeignFiles{
        ForeignKind::kPart,
        folder,
        "one expert of a checkpoint",
        "it has the name and the DiT of an expert, and no text encoder",
        "a checkpoint is named by the folder that holds its experts",
        fmt::format("name the folder above: --checkpoint {}", printable((folder / "..").lexically_normal().string()))};
  if (auto found = official_wan21(folder)) return found;
  if (auto found = damaged_official(folder)) return found;
  return unfinished(folder);
}

Found diffusers_pipeline(const fs::path& folder) {
  const Json index = object_in(folder / "model_index.json");
  if (index.is_null()) return std::nullopt;
  const std::string pipeline = text_in(index, "_class_name");
  const std::string evidence = fmt::format("model_index.json names the pipeline '{}'", printable(pipeline));
  const Json tokens = index.value("expand_timesteps", Json());
  const bool per_token = tokens.is_boolean() && tokens.get<bool>();
  if (pipeline.starts_with("Wan") && index.value("boundary_ratio", Json()).is_null() && !per_token)
    return wan21(folder, "in the layout of diffusers",
                 evidence + ", with neither a boundary_ratio nor expand_timesteps, as all of Wan2.2 have");
  if (!pipeline.starts_with("Wan"))
    return ForeignFiles{ForeignKind::kOtherModel,
                        folder,
                        "a diffusers folder of another model",
                        evidence,
                        "this program runs " + model_names_text() + " of Wan2.2 only",
                        download_advice()};
  return std::nullopt;
}

/// A component's folder by itself: `transformer` and the like.
Found diffusers_component(const fs::path& folder) {
  const std::string name = text_in(object_in(folder / "config.json"), "_class_name");
  if (!name.starts_with("WanTransformer") && !name.starts_with("AutoencoderKLWan")) return std::nullopt;
  return ForeignFiles{ForeignKind::kPart,
                      folder,
                      "one part of a diffusers folder",
                      fmt::format("config.json has the class '{}'", printable(name)),
                      "a model is named by the folder that holds its parts",
                      fmt::format("name the folder above: --checkpoint {}; or name this one with --dit, --dit-high, "
                                  "--dit-low or --vae",
                                  printable((folder / "..").lexically_normal().string()))};
}

Found hub_cache(const fs::path& folder) {
  if (!is_folder(folder / "snapshots") || !is_folder(folder / "refs")) return std::nullopt;
  std::vector<fs::path> snapshots;
  std::error_code failure;
  for (fs::directory_iterator entry(folder / "snapshots", failure), end;
       !failure && entry != end && snapshots.size() < kMostLooked; entry.increment(failure))
    snapshots.push_back(entry->path());
  std::sort(snapshots.begin(), snapshots.end());
  const std::vector<fs::path> waiting = unfinished_in(folder);
  if (!waiting.empty() || snapshots.empty())
    return ForeignFiles{
        ForeignKind::kHalfDownload,
        folder,
        "half a download, in the cache of huggingface_hub",
        fmt::format("{} unfinished files among its blobs, {} snapshots", waiting.size(), snapshots.size()),
        "weights are read whole or not at all",
        "run the same `hf download` again, which goes on where it stopped"};
  return std::nullopt;
}

Found lora_folder(const fs::path& folder) {
  if (!is_file(folder / "adapter_config.json")) return std::nullopt;
  return ForeignFiles{
      ForeignKind::kLora,
      folder,
      "a LoRA, a change to a model and no model",
      "it has an adapter_config.json",
      "a LoRA is added to a model and does nothing alone",
      "name the model that it was made for, and this with --lora FILE, or --lora-high and --lora-low for an expert: " +
          download_advice()};
}

/// Files side by side, of which none is read.
Found loose_files(const fs::path& folder) {
  const std::vector<fs::path> files = weights_in_or_below(folder);
  Found first;
  for (const fs::path& file : files) {
    Found found = foreign_file(file);
    if (!found) return std::nullopt;
    if (!first) first = std::move(found);
  }
  if (!first || first->kind == ForeignKind::kHalfDownload || first->kind == ForeignKind::kPointer) return first;
  first->what = fmt::format("a folder of single files ({}); {} is {}", names_of(files),
                            printable(files.front().filename().string()), first->what);
  first->path = folder;
  return first;
}

}  // namespace

std::string download_advice(const Variant* variant) {
  const Variant& row = variant == nullptr ? variants().front() : *variant;
  const std::string_view folder = row.repository.substr(row.repository.find('/') + 1);
  return fmt::format("fetch a folder in the official layout, for instance: hf download {} --local-dir {}",
                     row.repository, folder);
}

std::optional<ForeignFiles> foreign_folder(const fs::path& folder) {
  const auto first_of = [&](std::initializer_list<Found (*)(const fs::path&)> looks) -> Found {
    for (const auto& look : looks)
      if (auto found = look(folder)) return found;
    return std::nullopt;
  };
  if (auto found = first_of({diffusers_pipeline, diffusers_component, hub_cache, lora_folder})) return found;
  if (!dit_folders(folder).empty() || is_file(folder / kTextEncoderName) || is_file(folder / kWan21ImageEncoder))
    return official(folder);
  return first_of({loose_files, unfinished});
}

}  // namespace wan
