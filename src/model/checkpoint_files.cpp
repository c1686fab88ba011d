#include "model/checkpoint_files.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/json_parse.h"
#include "io/printable.h"
#include "io/tensor_file.h"
#include "model/checkpoint.h"
#include "model/checkpoint_scan.h"
#include "model/foreign_files.h"
#include "model/official_layout.h"
#include "model/weight_file.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizerFlag = "--tokenizer";
constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_lower(char c) { return std::islower(static_cast<unsigned char>(c)) != 0; }
bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// Whether `word` stands in `name` as a word of its own: between other characters than letters, at a change of case
/// ("LowNoise", "HighV30"), or before "noise".
bool has_word(std::string_view name, std::string_view word) {
  const std::string text = lower(name);
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !is_letter(name[at - 1]) || (is_upper(name[at]) && is_lower(name[at - 1]));
    const bool ends = end == text.size() || !is_letter(name[end]) || (is_upper(name[end]) && is_lower(name[end - 1])) ||
                      text.compare(end, 5, "noise") == 0;
    if (begins && ends) return true;
  }
  return false;
}

std::optional<NoiseRange> expert_in(std::string_view name) {
  const bool high = has_word(name, "high"), low = has_word(name, "low");
  if (high == low) return std::nullopt;
  return high ? NoiseRange::kHigh : NoiseRange::kLow;
}

fs::path require_file(const fs::path& path, const char* what) {
  require(fs::exists(path), fmt::format("{} is missing: expected {}", what, path.string()));
  return path;
}

/// The weights in a folder of one part, by the names that diffusers and transformers give them.
fs::path weights_in_part(const fs::path& folder, const char* part) {
  require(is_folder(folder), fmt::format("{} is missing: expected the folder {}", part, folder.string()));
  for (const char* name : {kDitIndexName, kDitName, "model.safetensors.index.json", "model.safetensors",
                           "diffusion_pytorch_model.fp16.safetensors", "model.fp16.safetensors"})
    if (fs::exists(folder / name)) return folder / name;
  throw Error(ErrorKind::kInput, fmt::format("{}: holds no weights of the {}: expected {} or model.safetensors, or an "
                                             "index of either",
                                             folder.string(), part, kDitName));
}

/// The folder of the official layout has these.
bool is_official(const fs::path& folder) {
  if (is_file(folder / kTextEncoderName)) return true;
  if (is_file(folder / "model_index.json")) return false;
  const auto has_dit = [](const fs::path& place) {
    return is_file(place / kDitName) || is_file(place / kDitIndexName);
  };
  if (has_dit(folder)) return true;
  for (const Variant& row : variants())
    for (const ExpertSpec& expert : row.experts)
      if (!expert.folder.empty() && is_folder(folder / expert.folder)) return true;
  return false;
}

/// The snapshot that a repository in the cache of huggingface_hub is at; the folder itself for any other.
fs::path snapshot_of(const fs::path& folder) {
  if (!is_folder(folder / "snapshots") || !is_folder(folder / "refs")) return folder;
  constexpr uint64_t kMostReference = 256;
  if (is_file(folder / "refs" / "main")) {
    std::string revision = read_text(folder / "refs" / "main", kMostReference);
    while (!revision.empty() && std::isspace(static_cast<unsigned char>(revision.back())) != 0) revision.pop_back();
    const bool is_name = !revision.empty() && revision.find('/') == revision.npos && revision != "..";
    if (is_name && is_folder(folder / "snapshots" / revision)) return folder / "snapshots" / revision;
  }
  std::vector<fs::path> snapshots;
  for (const auto& entry : fs::directory_iterator(folder / "snapshots")) {
    snapshots.push_back(entry.path());
    if (snapshots.size() > kMostLooked) break;
  }
  require(snapshots.size() == 1, fmt::format("{}: {} snapshots and no refs/main that names one: name the folder of one",
                                             folder.string(), snapshots.size()));
  return snapshots.front();
}

std::string names_of(const std::vector<fs::path>& files) {
  constexpr size_t kMostNamed = 6;
  std::string text;
  for (size_t i = 0; i < std::min(files.size(), kMostNamed); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", printable(files[i].filename().string()));
  return text + (files.size() > kMostNamed ? ", ..." : "");
}

class Finder {
 public:
  explicit Finder(const WeightChoice& choice) : choice_(choice) {}

  CheckpointFiles find() && {
    require(choice_.dit.empty() || (choice_.dit_high.empty() && choice_.dit_low.empty()),
            "--dit names the only DiT of a model, --dit-high and --dit-low its experts: use one or the other",
            ErrorKind::kUsage);
    if (!choice_.checkpoint.empty()) look_at_checkpoint();
    put_dits();
    require(!found_.dits.empty(), fmt::format("{}: no DiT is named: give --dit FILE, or --dit-high FILE and --dit-low "
                                              "FILE of a model with two experts",
                                              choice_.title().string()));
    if (found_.layout.empty()) found_.layout = "single files";
    if (found_.folder.empty()) found_.folder = found_.dits.front().parent_path();
    if (!choice_.text_encoder.empty()) found_.text_encoder = named(choice_.text_encoder, "--text-encoder");
    if (!choice_.vae.empty()) found_.vae = named(choice_.vae, "--vae");
    require_part(found_.text_encoder, "text encoder", "--text-encoder",
                 "umt5_xxl_fp16.safetensors or umt5-xxl-encoder-Q8_0.gguf");
    require_part(found_.vae, "VAE", "--vae", "wan_2.1_vae.safetensors or wan2.2_vae.safetensors");
    put_tokenizer();
    return std::move(found_);
  }

 private:
  fs::path named(const fs::path& file, const char* flag) const {
    require(fs::exists(file), fmt::format("{} {}: there is no such file", flag, file.string()), ErrorKind::kUsage);
    if (std::string_view(flag) == kTokenizerFlag) return file;
    if (is_folder(file)) return weights_in_part(file, "part");
    if (const auto damaged = damaged_weights(file)) throw Error(ErrorKind::kInput, damaged->message());
    return file;
  }

  void require_part(const fs::path& file, const char* part, const char* flag, const char* usual) const {
    require(!file.empty(), fmt::format("{}: the {} is not there: name its file with {} ({})", choice_.title().string(),
                                       part, flag, usual));
  }

  void look_at_checkpoint() {
    fs::path place = choice_.checkpoint;
    require(fs::exists(place),
            fmt::format("there is no checkpoint {}\n{}", place.string(), official_checkpoints_help()));
    if (const auto foreign = find_foreign_files(place)) throw Error(ErrorKind::kInput, foreign->message());
    if (is_folder(place)) place = snapshot_of(place);
    if (place != choice_.checkpoint)
      if (const auto foreign = find_foreign_files(place)) throw Error(ErrorKind::kInput, foreign->message());
    if (!is_folder(place)) return look_at_file(place);
    found_.folder = place;
    if (is_official(place)) return look_at_official(place);
    if (is_file(place / "model_index.json")) return look_at_diffusers(place);
    look_at_single_files(place);
  }

  void look_at_official(const fs::path& folder) {
    found_.layout = "official";
    for (const std::string& below : official_dit_folders(folder)) {
      found_.dits.push_back(official_dit(folder / below));
      found_.evidence.push_back(below.empty() ? "the only DiT of its folder" : fmt::format("its folder {}", below));
    }
    const bool experts = found_.dits.size() > 1;
    if (choice_.text_encoder.empty()) found_.text_encoder = require_file(folder / kTextEncoderName, "the text encoder");
    if (choice_.vae.empty()) {
      for (const Variant& row : variants())
        if ((row.experts.size() > 1) == experts && is_file(folder / row.vae_traits().file_name))
          found_.vae = folder / row.vae_traits().file_name;
      for (const Variant& row : variants())
        if (found_.vae.empty() && (row.experts.size() > 1) == experts)
          found_.vae = require_file(folder / row.vae_traits().file_name, "the VAE");
    }
    if (is_folder(tokenizer_folder(folder))) found_.tokenizer = tokenizer_folder(folder);
    for (const char* name : {"model.safetensors", "pytorch_model.bin"})
      if (found_.audio_encoder.empty() && is_file(folder / kAudioEncoderFolder / name))
        found_.audio_encoder = folder / kAudioEncoderFolder / name;
    if (is_file(folder / kImageEncoderName)) found_.image_encoder = folder / kImageEncoderName;
  }

  static fs::path official_dit(const fs::path& folder) {
    for (const char* name : {kDitIndexName, kDitName})
      if (fs::exists(folder / name)) return folder / name;
    throw Error(ErrorKind::kInput,
                fmt::format("{} has neither {} nor {}: the DiT is missing", folder.string(), kDitIndexName, kDitName));
  }

  /// Relative to the checkpoint's: of the first row one of whose experts has its folder here, or the checkpoint's own.
  static std::vector<std::string> official_dit_folders(const fs::path& checkpoint) {
    const auto is_here = [&](const ExpertSpec& expert) {
      return !expert.folder.empty() && is_folder(checkpoint / expert.folder);
    };
    for (const Variant& variant : variants()) {
      if (std::none_of(variant.experts.begin(), variant.experts.end(), is_here)) continue;
      for (const ExpertSpec& expert : variant.experts)
        require(is_here(expert),
                fmt::format("{} lacks an expert: folder {} is missing", checkpoint.string(), expert.folder));
      return expert_folders(variant);
    }
    return {""};
  }

  void look_at_diffusers(const fs::path& folder) {
    found_.layout = "diffusers";
    const fs::path index_path = folder / "model_index.json";
    const nlohmann::json index = parse_json(read_text(index_path, kMostConfigBytes), index_path.string());
    require(index.is_object(), fmt::format("{}: expected an object of JSON", index_path.string()));
    const auto boundary = index.find("boundary_ratio");
    const bool two = is_folder(folder / "transformer_2") || (boundary != index.end() && !boundary->is_null());
    found_.dits.push_back(weights_in_part(folder / "transformer", "transformer"));
    found_.evidence.push_back(two ? "its folder transformer: the high-noise expert of diffusers"
                                  : "its folder transformer, the only one");
    if (two) {
      require(is_folder(folder / "transformer_2"),
              fmt::format("{}: model_index.json has a boundary_ratio, so that there are two experts, and the folder "
                          "transformer_2 is missing",
                          folder.string()));
      found_.dits.push_back(weights_in_part(folder / "transformer_2", "transformer_2"));
      found_.evidence.push_back("its folder transformer_2: the low-noise expert of diffusers");
    }
    if (choice_.text_encoder.empty()) found_.text_encoder = weights_in_part(folder / "text_encoder", "text_encoder");
    if (choice_.vae.empty()) found_.vae = weights_in_part(folder / "vae", "vae");
    if (is_folder(folder / "tokenizer")) found_.tokenizer = folder / "tokenizer";
  }

  /// One file: a DiT, or all parts of a model, as ComfyUI saves checkpoints.
  void look_at_file(const fs::path& file) {
    found_.layout = "single file";
    const HeldParts held = parts_in(file);
    require(held.dit, fmt::format("{}: is a {} and no DiT: name it with {}, and the DiT with --dit or --checkpoint",
                                  file.string(), held.text_encoder ? "text encoder" : "VAE",
                                  held.text_encoder ? "--text-encoder" : "--vae"));
    found_.folder = file.parent_path();
    found_.dits.push_back(file);
    found_.evidence.emplace_back("the file itself");
    if (held.text_encoder) found_.text_encoder = file;
    if (held.vae) found_.vae = file;
    const auto expert = expert_by_name(file);
    if (!expert || !choice_.dit.empty()) return;
    // An expert by its name: the other one is named beside it.
    if (*expert == NoiseRange::kHigh && !choice_.dit_low.empty()) return put_pair(file, choice_.dit_low);
    if (*expert == NoiseRange::kLow && !choice_.dit_high.empty()) return put_pair(choice_.dit_high, file);
  }

  void put_pair(const fs::path& high, const fs::path& low) {
    found_.dits = {high, low};
    found_.evidence = {"its name or flag: high", "its name or flag: low"};
  }

  /// Files side by side, or in the folders of ComfyUI.
  void look_at_single_files(const fs::path& folder) {
    const ScannedFolder scanned = scan_folder(folder);
    found_.layout = scanned.is_comfy ? "ComfyUI" : "single files";
    choose_dits(folder, scanned);
    if (choice_.text_encoder.empty())
      found_.text_encoder = choose_one(folder, scanned.text_encoders, "text encoder", "--text-encoder");
    if (choice_.vae.empty()) found_.vae = choose_one(folder, vaes_for_dit(scanned), "VAE", "--vae");
    if (scanned.tokenizers.size() == 1) found_.tokenizer = scanned.tokenizers.front();
  }

  void choose_dits(const fs::path& folder, const ScannedFolder& scanned) {
    std::vector<fs::path> high, low, neither;
    for (const fs::path& file : scanned.dits) {
      const auto expert = expert_by_name(file);
      (!expert ? neither : *expert == NoiseRange::kHigh ? high : low).push_back(file);
    }
    const bool named_high = !choice_.dit_high.empty(), named_low = !choice_.dit_low.empty();
    if (!choice_.dit.empty() || (named_high && named_low)) return;
    if (named_high) high = {choice_.dit_high};
    if (named_low) low = {choice_.dit_low};
    if (named_high || named_low) neither.clear();
    if (high.size() == 1 && low.size() == 1 && neither.empty()) {
      found_.dits = {high.front(), low.front()};
      found_.evidence = {named_high ? "--dit-high" : "its name: high", named_low ? "--dit-low" : "its name: low"};
      return;
    }
    if (neither.size() == 1 && high.empty() && low.empty()) {
      found_.dits = neither;
      found_.evidence.emplace_back("the only DiT there");
      return;
    }
    require(!scanned.dits.empty(),
            fmt::format("{}: no DiT of this family is among its {} files of weights", folder.string(), scanned.files));
    throw Error(ErrorKind::kUsage,
                fmt::format("{}: which DiT is meant? {} of high noise by their names ({}), {} of low noise ({}), {} "
                            "others ({}): name the file with --dit, or the experts with --dit-high and --dit-low",
                            folder.string(), high.size(), names_of(high), low.size(), names_of(low), neither.size(),
                            names_of(neither)));
  }

  /// Of several those that have the DiT's channels.
  std::vector<fs::path> vaes_for_dit(const ScannedFolder& scanned) const {
    fs::path dit = !choice_.dit.empty() ? choice_.dit : choice_.dit_high;
    if (dit.empty() && !found_.dits.empty()) dit = found_.dits.front();
    if (scanned.vaes.size() < 2 || dit.empty()) return scanned.vaes;
    const int64_t channels = WeightFile::open(dit, ModelPart::kDit).sizes().dit.out_dim;
    std::vector<fs::path> fitting;
    for (const fs::path& file : scanned.vaes)
      if (WeightFile::open(file, ModelPart::kVae).sizes().latent_channels == channels) fitting.push_back(file);
    return fitting;
  }

  fs::path choose_one(const fs::path& folder, const std::vector<fs::path>& files, const char* part,
                      const char* flag) const {
    if (files.empty()) return {};
    require(files.size() == 1,
            fmt::format("{}: which {} is meant? There are {}: name one with {}", folder.string(), part, names_of(files),
                        flag),
            ErrorKind::kUsage);
    return files.front();
  }

  void put_dits() {
    if (!choice_.dit.empty()) {
      found_.dits = {named(choice_.dit, "--dit")};
      found_.evidence = {"--dit"};
      return;
    }
    const auto put = [&](const fs::path& file, const char* flag, size_t index) {
      if (file.empty()) return;
      if (found_.dits.size() < 2) {
        found_.dits.resize(2);
        found_.evidence.resize(2);
      }
      found_.dits[index] = named(file, flag);
      found_.evidence[index] = flag;
    };
    put(choice_.dit_high, "--dit-high", 0);
    put(choice_.dit_low, "--dit-low", 1);
    for (size_t i = 0; i < found_.dits.size(); ++i)
      require(!found_.dits[i].empty(),
              fmt::format("{}: a model of two experts needs both: name the other with {}", choice_.title().string(),
                          i == 0 ? "--dit-high" : "--dit-low"),
              ErrorKind::kUsage);
  }

  void put_tokenizer() {
    if (!choice_.tokenizer.empty()) found_.tokenizer = named(choice_.tokenizer, kTokenizerFlag);
    if (!found_.tokenizer.empty()) return;
    const fs::path beside = found_.text_encoder.parent_path();
    for (const fs::path& place : {beside, beside / "tokenizer", beside.parent_path() / "tokenizer"})
      if (is_file(place / "tokenizer.json") || is_file(place / "spiece.model")) {
        found_.tokenizer = place;
        return;
      }
  }

  const WeightChoice& choice_;
  CheckpointFiles found_;
};

/// "dit", or with the expert's name, which is the same in every model of as many.
std::string dit_component(size_t index, size_t count) {
  for (const Variant& row : variants())
    if (count > 1 && row.experts.size() == count) return fmt::format("dit.{}", row.experts[index].name);
  return "dit";
}

}  // namespace

fs::path WeightChoice::title() const {
  for (const fs::path* each : {&checkpoint, &dit, &dit_high, &dit_low, &text_encoder, &vae, &tokenizer})
    if (!each->empty()) return *each;
  return {};
}

std::optional<NoiseRange> expert_by_name(const fs::path& file) {
  const std::string name = file.filename().string();
  if (has_word(name, "high") || has_word(name, "low")) return expert_in(name);
  return expert_in(file.parent_path().filename().string());
}

CheckpointFiles find_checkpoint_files(const WeightChoice& choice) { return Finder(choice).find(); }

std::vector<PartFiles> files_of_parts(const CheckpointFiles& files) {
  std::vector<PartFiles> parts;
  const auto add = [&](std::string component, const fs::path& path) {
    if (path.empty()) return;
    PartFiles part{std::move(component), {}};
    if (is_folder(path)) {
      for (const char* name : {"tokenizer.json", "spiece.model"})
        if (is_file(path / name)) part.files.push_back(path / name);
    } else if (path.filename().string().ends_with(".index.json")) {
      const TensorFile shards = TensorFile::open(path);
      for (const MappedFile& file : shards.files()) part.files.push_back(file.path());
    } else {
      part.files.push_back(path);
    }
    std::sort(part.files.begin(), part.files.end());
    parts.push_back(std::move(part));
  };
  for (size_t i = 0; i < files.dits.size(); ++i) add(dit_component(i, files.dits.size()), files.dits[i]);
  add("text_encoder", files.text_encoder);
  add("vae", files.vae);
  add("audio_encoder", files.audio_encoder);
  add("image_encoder", files.image_encoder);
  add("tokenizer", files.tokenizer);
  return parts;
}

}  // namespace wan
