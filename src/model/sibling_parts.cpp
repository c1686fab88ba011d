#include "model/sibling_parts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file_kind.h"
#include "io/printable.h"
#include "model/checkpoint_files.h"
#include "model/checkpoint_scan.h"
#include "model/dit_identity.h"
#include "model/tokenizer.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr int kLevelsUp = 4;

bool is_experts_folder(const fs::path& folder) {
  const std::string name = folder.filename().string();
  return std::any_of(variants().begin(), variants().end(), [&](const Variant& row) {
    return std::any_of(row.experts.begin(), row.experts.end(),
                       [&](const ExpertSpec& expert) { return !expert.folder.empty() && name == expert.folder; });
  });
}

/// ComfyUI's `models` that `file` is in, else the file's own folder, or the one that the experts' folders are in.
fs::path place_of(const fs::path& file) {
  const fs::path own = fs::absolute(file).lexically_normal().parent_path();
  fs::path folder = own;
  for (int level = 0; level < kLevelsUp && folder.has_relative_path(); ++level, folder = folder.parent_path())
    if (has_comfy_folders(folder)) return folder;
  return is_experts_folder(own) ? own.parent_path() : own;
}

/// Nothing where the folder cannot be scanned; `problem` then says why.
ScannedFolder scan(const fs::path& folder, std::string& problem) {
  try {
    return scan_folder(folder);
  } catch (const Error& error) {
    problem = error.what();
    return {};
  }
}

class Siblings {
 public:
  explicit Siblings(const WeightChoice& choice) {
    found_.choice = choice;
    for (const fs::path* dit : {&choice.checkpoint, &choice.dit, &choice.dit_high, &choice.dit_low})
      if (first_.empty()) first_ = *dit;
    first_is_relative_ = first_.is_relative();
    held_ = parts_in(first_);
    identity_ = identify_dit(WeightFile::open(first_, ModelPart::kDit));
    place_ = place_of(first_);
  }

  SiblingParts find() && {
    find_expert();
    find_text_encoder();
    find_vae();
    find_tokenizer();
    return std::move(found_);
  }

 private:
  /// As the user would write it: seen from here where the DiT was named so.
  fs::path shown(const fs::path& path) const {
    return first_is_relative_ ? fs::absolute(path).lexically_proximate(fs::current_path()) : path;
  }

  std::string where() const {
    const fs::path place = shown(place_);
    return place.empty() ? "." : printable(place.string());
  }

  /// Looked at when something is missing.
  const ScannedFolder& scanned() {
    if (!scanned_) scanned_ = scan(place_, problem_);
    return *scanned_;
  }

  void say_found(const char* part, const fs::path& file, std::string_view why) {
    found_.found.push_back(fmt::format("{}: {}, {}", part, printable(file.string()), why));
  }

  /// The only one of `files`; else what is missing is said.
  fs::path only_one(const std::vector<fs::path>& files, const char* part, const char* flag, std::string_view fitting) {
    if (files.size() == 1) {
      say_found(part, shown(files.front()), fmt::format("the only {} in {}", fitting, where()));
      return shown(files.front());
    }
    std::string why = files.empty() ? fmt::format("no {} is in {}", fitting, where())
                                    : fmt::format("{} are in {}:", files.size(), where());
    constexpr size_t kMostNamed = 6;
    for (size_t i = 0; i < std::min(files.size(), kMostNamed); ++i)
      why += fmt::format("{} {}", i == 0 ? "" : ",", printable(files[i].filename().string()));
    if (files.size() > kMostNamed) why += ", ...";
    if (!problem_.empty()) why = problem_;
    found_.missing.push_back({part, flag, std::move(why)});
    return {};
  }

  /// The other expert of a model of two, where one is named.
  void find_expert() {
    WeightChoice& choice = found_.choice;
    const bool names_high = !choice.dit_high.empty(), names_low = !choice.dit_low.empty();
    if (identity_.variant->experts.size() < 2 || (names_high && names_low)) return;
    if (!choice.checkpoint.empty() && (names_high || names_low)) return;  // the file and the other one
    std::optional<NoiseRange> range = expert_by_name(first_);
    if (names_high) range = NoiseRange::kHigh;
    if (names_low) range = NoiseRange::kLow;
    if (!range) {
      found_.missing.push_back({"other expert", kEitherExpert,
                                fmt::format("the name {} does not say which expert this is: name both experts",
                                            printable(first_.filename().string()))});
      return;
    }
    const bool is_high = *range == NoiseRange::kHigh;
    (is_high ? choice.dit_high : choice.dit_low) = first_;
    choice.checkpoint.clear();
    choice.dit.clear();
    const fs::path other = only_one(other_experts(is_high), is_high ? "low-noise expert" : "high-noise expert",
                                    is_high ? "--dit-low" : "--dit-high",
                                    is_high ? "low-noise expert of this model" : "high-noise expert of this model");
    (is_high ? choice.dit_low : choice.dit_high) = other;
  }

  std::vector<fs::path> other_experts(bool of_high) {
    const NoiseRange wanted = of_high ? NoiseRange::kLow : NoiseRange::kHigh;
    std::vector<fs::path> fitting;
    for (const fs::path& file : scanned().dits)
      if (expert_by_name(file) == wanted && is_of_this_model(file)) fitting.push_back(file);
    const std::string counterpart = counterpart_name(first_.filename().string());
    for (const fs::path& file : fitting)
      if (file.filename() == counterpart) return {file};
    return fitting;
  }

  bool is_of_this_model(const fs::path& file) const {
    try {
      const DitIdentity other = identify_dit(WeightFile::open(file, ModelPart::kDit));
      return other.variant == identity_.variant && other.config == identity_.config;
    } catch (const Error&) {
      return false;
    }
  }

  /// Those of `files` whose sizes fit the DiT.
  template <class Fits>
  static std::vector<fs::path> fitting(const std::vector<fs::path>& files, ModelPart part, const Fits& fits) {
    std::vector<fs::path> out;
    for (const fs::path& file : files) {
      try {
        if (fits(WeightFile::open(file, part).sizes())) out.push_back(file);
      } catch (const Error&) {  // of a form that is not read: it is none that fits
      }
    }
    return out;
  }

  void find_text_encoder() {
    fs::path& encoder = found_.choice.text_encoder;
    if (!encoder.empty()) return;
    if (held_.text_encoder) {
      encoder = found_.choice.checkpoint.empty() ? first_ : fs::path();
      return say_found("text encoder", first_, "the file itself");
    }
    const auto fits = [&](const PartSizes& sizes) { return sizes.text.dim == identity_.config.text_dim; };
    encoder = only_one(fitting(scanned().text_encoders, ModelPart::kTextEncoder, fits), "text encoder",
                       "--text-encoder", "text encoder that fits");
  }

  void find_vae() {
    fs::path& vae = found_.choice.vae;
    if (!vae.empty()) return;
    if (held_.vae) {
      vae = found_.choice.checkpoint.empty() ? first_ : fs::path();
      return say_found("VAE", first_, "the file itself");
    }
    const auto fits = [&](const PartSizes& sizes) { return sizes.latent_channels == identity_.config.out_dim; };
    vae = only_one(fitting(scanned().vaes, ModelPart::kVae, fits), "VAE", "--vae", "VAE that fits");
  }

  void find_tokenizer() {
    WeightChoice& choice = found_.choice;
    const fs::path encoder = choice.text_encoder.empty() && held_.text_encoder ? first_ : choice.text_encoder;
    if (!choice.tokenizer.empty() || encoder.empty() || has_tokenizer(encoder)) return;
    choice.tokenizer = only_one(scanned().tokenizers, "tokenizer", "--tokenizer", "tokenizer");
  }

  /// Within its file, or beside it where it is looked for (checkpoint_files.cpp).
  static bool has_tokenizer(const fs::path& encoder) {
    const fs::path beside = encoder.parent_path();
    for (const fs::path& place : {beside, beside / "tokenizer", beside.parent_path() / "tokenizer"})
      if (is_file(place / "tokenizer.json") || is_file(place / "spiece.model")) return true;
    const WeightFile file = WeightFile::open(encoder, ModelPart::kTextEncoder);
    return file.facts().spiece_model != nullptr || holds_gguf_tokenizer(file.file());
  }

  SiblingParts found_;
  fs::path first_;  // the DiT that is named first
  bool first_is_relative_ = false;
  fs::path place_;  // where the others are looked for
  HeldParts held_;
  DitIdentity identity_;
  std::optional<ScannedFolder> scanned_;
  std::string problem_;  // why nothing was found
};

}  // namespace

bool names_dit_files_alone(const WeightChoice& choice) {
  const std::array dits{&choice.checkpoint, &choice.dit, &choice.dit_high, &choice.dit_low};
  const bool any = std::any_of(dits.begin(), dits.end(), [](const fs::path* path) { return !path->empty(); });
  const bool all =
      std::all_of(dits.begin(), dits.end(), [](const fs::path* path) { return path->empty() || is_file(*path); });
  return any && all && (choice.checkpoint.empty() || parts_in(choice.checkpoint).dit);
}

SiblingParts find_siblings(const WeightChoice& choice) { return Siblings(choice).find(); }

std::string counterpart_name(const std::string& name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWords{
      {{"high", "low"}, {"High", "Low"}, {"HIGH", "LOW"}}};
  std::string found;
  for (const auto& [high, low] : kWords)
    for (const auto& [word, other] : {std::pair(high, low), std::pair(low, high)}) {
      const size_t at = name.rfind(word);
      if (at == std::string::npos) continue;
      if (!found.empty()) return {};
      found = name;
      found.replace(at, word.size(), other);
    }
  return found;
}

}  // namespace wan
