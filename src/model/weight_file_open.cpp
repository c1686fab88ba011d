// Opens a file of weights: which part, whose names behind which prefix, then every tensor of that part, each with its
// scheme; what is left over must be something that may be.
#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "io/printable.h"
#include "model/official_layout.h"
#include "model/swizzle.h"
#include "model/weight_file.h"
#include "model/weight_refusals.h"

namespace wan {
namespace {

/// What may stand in front of all names of a part, in the order in which it is tried.
constexpr std::array<std::string_view, 11> kPrefixes{"",
                                                     "model.diffusion_model.",
                                                     "diffusion_model.",
                                                     "text_encoders.umt5xxl.transformer.",
                                                     "first_stage_model.",
                                                     "vae.",
                                                     "transformer.",
                                                     "wav2vec2.",
                                                     kImageTowerPrefix,
                                                     "model.",
                                                     "net."};
constexpr std::string_view kOnlyWhereAllHaveIt = "net.";

/// Beginnings of names that belong to another part of a checkpoint that holds several.
constexpr std::array<std::string_view, 5> kOtherParts{"model.diffusion_model.", "vae.", "first_stage_model.",
                                                      "text_encoders.", "cond_stage_model."};

/// general.architecture of GGUF files that hold such models; converters of images' programs write the last two.
constexpr std::array<std::string_view, 5> kArchitectures{"wan", "t5", "t5encoder", "pig", "cow"};

constexpr std::string_view kSpieceModel = "spiece_model";
constexpr size_t kShownProblems = 5;

bool ends_with_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view each) { return name.ends_with(each); });
}

/// What may lie in a file of a part without being one of its weights; `name` behind the prefix.
bool may_be_ignored(ModelPart part, WeightNaming naming, std::string_view name, const PartSizes& sizes) {
  if (part == ModelPart::kAudioEncoder) return name.starts_with("lm_head.") || name == "masked_spec_embed";
  if (part == ModelPart::kImageEncoder)
    return name.starts_with("textual.") || name == "log_scale" || name == "head" || name.starts_with("post_norm.") ||
           name.starts_with(fmt::format("transformer.{}.", sizes.image.num_layers));
  if (part != ModelPart::kTextEncoder) return false;
  if (naming == WeightNaming::kTransformers) return name.starts_with("decoder.") || name.starts_with("lm_head.");
  if (naming == WeightNaming::kLlamaCpp) return name.starts_with("dec.") || name == "output.weight";
  return false;
}

/// Tensors that some programs store under another number of axes, with the same values in the same order.
bool may_be_folded(std::string_view official) {
  return official == "patch_embedding.weight" || official.ends_with("modulation");
}

}  // namespace

class WeightFileOpener {
 public:
  WeightFileOpener(const std::filesystem::path& path, std::optional<ModelPart> part) : wanted_(part) {
    result_.file_ = TensorFile::open(path);
    where_ = path.string();
  }

  WeightFile open() && {
    check_architecture();
    find_naming();
    refuse_other_models(file(), facts().prefix);
    refuse_mixed_names();
    ExpectedPart expected = expect();
    result_.sizes_ = expected.sizes;
    if (facts().part == ModelPart::kDit) refuse_other_sizes(expected.sizes.dit, where_);
    SchemeFinder schemes(file(), facts().prefix);
    for (const ExpectedWeight& weight : expected.weights) add(schemes, weight);
    report_problems();  // what is missing says more than what is left over
    schemes.finish();
    check_left_over(schemes);
    report_problems();
    check_other_embedding();
    count_forms();
    return std::move(result_);
  }

 private:
  const TensorFile& file() const { return result_.file_; }
  WeightFacts& facts() { return result_.facts_; }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}", where_, what));
  }

  void check_architecture() {
    if (!file().format().starts_with("GGUF")) {
      facts().evidence.push_back(file().format());
      return;
    }
    const auto at = file().metadata().find("general.architecture");
    if (at != file().metadata().end()) facts().architecture = at->second;
    const std::string& said = facts().architecture;
    if (!said.empty() && std::find(kArchitectures.begin(), kArchitectures.end(), said) == kArchitectures.end())
      fail(
          fmt::format("its general.architecture is '{}', expected wan for a DiT or t5encoder for a text encoder: it is "
                      "another model's file",
                      printable(said)));
    facts().evidence.push_back(said.empty()
                                   ? fmt::format("{} without general.architecture", file().format())
                                   : fmt::format("{}, general.architecture {}", file().format(), printable(said)));
  }

  bool holds_any(std::string_view prefix, const NamingSigns& signs) const {
    return std::any_of(signs.names.begin(), signs.names.end(), [&](std::string_view name) {
      return file().find(fmt::format("{}{}", prefix, name)) != nullptr;
    });
  }

  bool all_have(std::string_view prefix) const {
    return std::all_of(file().tensors().begin(), file().tensors().end(),
                       [&](const StoredTensor& tensor) { return tensor.name.starts_with(prefix); });
  }

  void find_naming() {
    for (const NamingSigns& signs : naming_signs()) {
      if (wanted_ && signs.part != *wanted_) continue;
      for (std::string_view prefix : kPrefixes) {
        if (!holds_any(prefix, signs) || (prefix == kOnlyWhereAllHaveIt && !all_have(prefix))) continue;
        facts().part = signs.part;
        facts().naming = signs.naming;
        facts().prefix = prefix;
        facts().evidence.push_back(
            fmt::format("{} {}, with {}{}",
                        signs.part == ModelPart::kAudioEncoder || signs.part == ModelPart::kImageEncoder ? "an" : "a",
                        name_of(signs.part), name_of(signs.naming),
                        prefix.empty() ? "" : fmt::format(" behind the prefix {}", prefix)));
        return;
      }
    }
    refuse_other_models(file(), "");
    std::vector<std::string> names;
    for (size_t i = 0; i < std::min(file().tensors().size(), kShownProblems); ++i)
      names.push_back(printable(file().tensors()[i].name));
    fail(fmt::format("holds no {} of this family in a naming that is known; its {} tensors begin with {}",
                     wanted_ ? name_of(*wanted_) : "DiT, text encoder or VAE", file().tensors().size(),
                     names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
  }

  /// Names of two namings of one part behind one prefix: half of them would be read, half taken for strangers.
  void refuse_mixed_names() const {
    for (const NamingSigns& signs : naming_signs()) {
      const WeightFacts& known = result_.facts_;
      if (signs.part != known.part || signs.naming == known.naming || !holds_any(known.prefix, signs)) continue;
      fail(fmt::format("mixes {} and {}: take the file as its makers published it", name_of(known.naming),
                       name_of(signs.naming)));
    }
  }

  std::string stored(std::string_view official) const {
    const WeightFacts& known = result_.facts_;
    return known.prefix + stored_name(known.part, known.naming, official);
  }

  /// The values of an official tensor, or nullptr.
  const StoredTensor* values_of(std::string_view official) const {
    const std::string name = stored(official);
    if (const StoredTensor* found = file().find(name)) return found;
    if (official == "token_embedding.weight" && result_.facts_.naming == WeightNaming::kTransformers)
      return file().find(result_.facts_.prefix + std::string(kOtherEmbedding));
    if (const std::string_view newer = newer_audio_name(official); !newer.empty())
      return file().find(result_.facts_.prefix + std::string(newer));
    constexpr std::string_view kWeight = ".weight";
    if (!name.ends_with(kWeight)) return nullptr;
    return file().find(name.substr(0, name.size() - kWeight.size()) + ".int8_weight");
  }

  std::string missing(std::string_view official) const {
    if (official == "patch_embedding.weight" && file().format().starts_with("GGUF"))
      return "missing patch_embedding.weight: the unfinished file of a converter; take one that was completed "
             "(ComfyUI-GGUF's fix_5d_tensors.py)";
    const std::string name = stored(official);
    if (official.ends_with("pos_embedding.embedding.weight"))
      return fmt::format("missing {}, which UMT5 has in every block and plain T5 in the first only", name);
    return name == official ? "missing " + name : fmt::format("missing {} (officially {})", name, official);
  }

  /// Bytes hold two 4-bit values each.
  static Shape unpacked(const StoredTensor& tensor) {
    Shape shape = tensor.shape;
    if (tensor.dtype == DType::kU8 && tensor.block == BlockType::kNone && shape.rank() == 2 &&
        shape[1] < INT64_MAX / kNvfp4InByte)
      shape[1] *= kNvfp4InByte;
    return shape;
  }

  ExpectedPart expect() const {
    return expected_part(
        result_.facts_.part,
        [&](const std::string& official) {
          const StoredTensor* tensor = values_of(official);
          if (tensor == nullptr) fail(missing(official));
          return unpacked(*tensor);
        },
        [&](const std::string& official) { return values_of(official) != nullptr; }, where_);
  }

  void add(SchemeFinder& schemes, const ExpectedWeight& expected) {
    const StoredTensor* values = values_of(expected.name);
    if (values == nullptr) {
      add_problem(missing(expected.name));
      return;
    }
    read_.insert(values);
    StoredWeight weight = schemes.find(expected.name, expected.shape, *values);
    if (!fits(weight))
      add_problem(fmt::format("{} has shape {}, expected {}", printable(values->name), values->shape.text(),
                              expected.shape.text()));
    result_.weights_.push_back(std::move(weight));
  }

  /// Whether what is stored has the official values, in their order; two schemes pad rows and columns.
  static bool fits(const StoredWeight& weight) {
    const Shape& stored = weight.values->shape;
    const bool packed = weight.scheme == WeightScheme::kNvfp4;
    if (!packed && weight.scheme != WeightScheme::kMxfp8)
      return stored == weight.shape || (may_be_folded(weight.name) && stored.count() == weight.shape.count());
    constexpr int64_t kMostPadding = 32;
    const int64_t columns = packed ? stored[1] * kNvfp4InByte : stored[1];
    return weight.shape.rank() == 2 && stored[0] >= weight.shape[0] && stored[0] < weight.shape[0] + kMostPadding &&
           columns >= weight.shape[1] && columns < weight.shape[1] + kMostPadding;
  }

  void check_left_over(const SchemeFinder& schemes) {
    for (const StoredTensor& tensor : file().tensors()) {
      if (read_.contains(&tensor) || schemes.has_read(tensor)) continue;
      std::string_view name = tensor.name;
      const bool is_other = std::any_of(kOtherParts.begin(), kOtherParts.end(), [&](std::string_view beginning) {
        return beginning != facts().prefix && name.starts_with(beginning);
      });
      if (name.starts_with(facts().prefix)) name.remove_prefix(facts().prefix.size());
      if (facts().part == ModelPart::kTextEncoder && name == kSpieceModel && tensor.dtype == DType::kU8 &&
          tensor.contiguous)
        facts().spiece_model = &tensor;
      else if (is_other || may_be_ignored(facts().part, facts().naming, name, result_.sizes_) ||
               is_other_embedding(tensor))
        facts().ignored.push_back(tensor.name);
      else if (ends_with_any(name, {"scale_weight", "weight_scale", "weight_scale_2", "comfy_quant"}))
        add_problem(fmt::format("{} belongs to no weight", printable(tensor.name)));
      else
        add_problem(fmt::format("unexpected tensor {} {}", printable(tensor.name), tensor.shape.text()));
    }
  }

  bool is_other_embedding(const StoredTensor& tensor) const {
    const WeightFacts& known = result_.facts_;
    return known.part == ModelPart::kTextEncoder && known.naming == WeightNaming::kTransformers &&
           tensor.name == known.prefix + std::string(kOtherEmbedding);
  }

  /// transformers' files may hold the table of embeddings twice.
  void check_other_embedding() const {
    const WeightFacts& known = result_.facts_;
    const StoredTensor* other = file().find(known.prefix + std::string(kOtherEmbedding));
    const StoredTensor* table = values_of("token_embedding.weight");
    if (other == nullptr || table == nullptr || other == table || !is_other_embedding(*other)) return;
    const bool same = other->dtype == table->dtype && other->block == table->block && other->shape == table->shape &&
                      other->contiguous && table->contiguous &&
                      std::ranges::equal(file().bytes_of(*other), file().bytes_of(*table));
    if (!same) fail(fmt::format("{} and {} should be the same table and differ", table->name, other->name));
  }

  void add_problem(std::string problem) {
    if (++problem_count_ <= kShownProblems) problems_.push_back(std::move(problem));
  }

  void report_problems() const {
    if (problems_.empty()) return;
    fail(fmt::format("does not hold the tensors of a {} ({} problems): {}{}", name_of(result_.facts_.part),
                     problem_count_, fmt::join(problems_, "; "), problem_count_ > problems_.size() ? "; ..." : ""));
  }

  void count_forms() {
    std::sort(result_.weights_.begin(), result_.weights_.end(),
              [](const StoredWeight& a, const StoredWeight& b) { return a.name < b.name; });
    for (const StoredWeight& weight : result_.weights_) {
      ++facts().types[std::string(weight.values->type_name())];
      ++facts().schemes[std::string(name_of(weight.scheme))];
    }
  }

  std::optional<ModelPart> wanted_;
  std::string where_;
  WeightFile result_;
  std::set<const StoredTensor*> read_;
  std::vector<std::string> problems_;  // the first of them
  size_t problem_count_ = 0;
};

std::vector<ModelPart> parts_held(const TensorFile& file) {
  try {
    refuse_other_models(file, "");
  } catch (const Error&) {
    return {};
  }
  std::vector<ModelPart> parts;
  for (const NamingSigns& signs : naming_signs())
    for (std::string_view prefix : kPrefixes)
      for (std::string_view name : signs.names)
        if (file.find(fmt::format("{}{}", prefix, name)) != nullptr &&
            std::find(parts.begin(), parts.end(), signs.part) == parts.end())
          parts.push_back(signs.part);
  return parts;
}

WeightFile WeightFile::open(const std::filesystem::path& path, std::optional<ModelPart> part) {
  return WeightFileOpener(path, part).open();
}

}  // namespace wan
