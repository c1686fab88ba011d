// Opens a LoRA: every tensor to the weight that it changes, pairs of factors put together, each with its scale.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/hash.h"
#include "base/json_parse.h"
#include "io/printable.h"
#include "model/lora.h"
#include "model/lora_adapter.h"
#include "model/weight_scheme.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 2> kPeftFiles{"adapter_model.safetensors", "adapter_model.bin"};
constexpr const char* kPeftConfig = "adapter_config.json";
constexpr const char* kHeaderConfig = "lora_adapter_metadata";
constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;
constexpr int64_t kMostRank = 4096;  // published ones have 1 to 256
constexpr size_t kShownNames = 3;

/// The tensors of one module that belong together.
struct Pair {
  std::string module;
  const StoredTensor* down = nullptr;
  const StoredTensor* up = nullptr;
  const StoredTensor* alpha = nullptr;
  const StoredTensor* up_bias = nullptr;
  const ExpectedWeight* bias = nullptr;  // what up_bias changes
};

fs::path factors_in(const fs::path& path) {
  if (!is_folder(path)) return path;
  for (const char* name : kPeftFiles)
    if (is_file(path / name)) return path / name;
  throw Error(ErrorKind::kInput,
              fmt::format("{} is a folder without {}: give the LoRA's file itself, or a folder as peft saves it",
                          path.string(), fmt::join(kPeftFiles, " or ")));
}

/// Without extents of 1, which say nothing of the values' order.
Shape squeezed(const Shape& shape) {
  std::vector<int64_t> extents;
  for (const int64_t extent : shape.extents())
    if (extent != 1) extents.push_back(extent);
  return Shape(extents);
}

/// The single value of a tensor of any type of number.
double number_in(const TensorFile& file, const StoredTensor& tensor) {
  const auto whole = [&]<typename T>(T value) {
    std::memcpy(&value, file.bytes_of(tensor).data(), sizeof value);
    return static_cast<double>(value);
  };
  switch (tensor.dtype) {
    case DType::kU8: return whole(uint8_t{});
    case DType::kI8: return whole(int8_t{});
    case DType::kI16: return whole(int16_t{});
    case DType::kI32: return whole(int32_t{});
    case DType::kI64: return whole(int64_t{});
    case DType::kF64: return whole(double{});
    case DType::kBool: return NAN;
    default: break;
  }
  float value = 0;
  decode(file, {"", tensor.shape, WeightScheme::kPlain, &tensor, nullptr, nullptr}, 0, 1, &value);
  return value;
}

bool has_plain_values(const StoredTensor& tensor) {
  switch (tensor.dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF64:
    case DType::kF8E4M3:
    case DType::kF8E5M2: return tensor.block == BlockType::kNone;
    default: return false;
  }
}

}  // namespace

class LoraOpener {
 public:
  LoraOpener(const fs::path& path, std::span<const ExpectedWeight> weights) : names_(weights) {
    const LoraFiles files = lora_files(path);
    result_.facts_.file = files.factors;
    adapter_file_ = files.adapter;
    where_ = result_.facts_.file.string();
    result_.file_ = TensorFile::open(result_.facts_.file);
    require(result_.file_.files().size() == 1 && !result_.file_.format().starts_with("GGUF"),
            where_ + ": a LoRA is read from one .safetensors or .pth file");
    result_.facts_.digest = edge_digest(result_.file_.files().front().bytes());
  }

  Lora open(LoraUnmatched unmatched) && {
    for (const StoredTensor& tensor : result_.file_.tensors()) refuse_unread_form(tensor);
    for (const StoredTensor& tensor : result_.file_.tensors()) sort_in(tensor);
    report_unmatched(unmatched);
    read_adapters();
    for (const auto& [key, pair] : pairs_) add_pair(key.first, *key.second, pair);
    settle_experts();
    sort_changes();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}", where_, what));
  }
  [[noreturn]] void fail_shape(const StoredTensor& tensor, const ExpectedWeight& weight,
                               const std::string& expected) const {
    fail(fmt::format("{} has shape {}, expected {}, since {} has shape {}: it was made for a model of another size",
                     printable(tensor.name), tensor.shape.text(), expected, weight.name, weight.shape.text()));
  }

  void refuse_unread_form(const StoredTensor& tensor) const {
    const std::string_view form = unread_adapter(tensor.name);
    if (!form.empty())
      fail(
          fmt::format("{} belongs to {}, which is not read: take a plain LoRA (lora_A and lora_B, or lora_down and "
                      "lora_up), or a model that it is merged into",
                      printable(tensor.name), form));
  }

  void sort_in(const StoredTensor& tensor) {
    const std::optional<LoraKey> key = parse_lora_key(tensor.name);
    const ExpectedWeight* weight = key ? names_.find(*key) : nullptr;
    if (weight != nullptr) {
      ++result_.facts_.applied;
      check_values(tensor, *key);
      return take(tensor, *key, *weight);
    }
    if (is_image_branch_key(tensor.name)) {
      ++result_.facts_.ignored;
      return;
    }
    if (const auto block = names_.missing_block(tensor.name))
      fail(fmt::format("{} changes block {}, which the model does not have: it was made for a larger model",
                       printable(tensor.name), *block));
    ++result_.facts_.unmatched;
    if (result_.facts_.unmatched_names.size() < kShownNames) result_.facts_.unmatched_names.push_back(tensor.name);
  }

  void check_values(const StoredTensor& tensor, const LoraKey& key) const {
    if (key.role == LoraRole::kAlpha || has_plain_values(tensor)) return;
    fail(fmt::format("{} is stored as {}, expected F32, F16, BF16 or FP8", printable(tensor.name), tensor.type_name()));
  }

  void take(const StoredTensor& tensor, const LoraKey& key, const ExpectedWeight& weight) {
    if (key.role == LoraRole::kDifference || key.role == LoraRole::kBias || key.role == LoraRole::kModulation)
      return add_difference(tensor, key.expert, weight, 1);
    LoraKey factor = key;
    factor.role = LoraRole::kUp;
    const ExpectedWeight* product = names_.find(factor);
    if (product == nullptr) fail(fmt::format("{} belongs to a layer without a matrix", printable(tensor.name)));
    Pair& pair = pairs_[{key.expert, product}];
    pair.module = key.module;
    switch (key.role) {
      case LoraRole::kDown: set_once(pair.down, tensor); break;
      case LoraRole::kUp: set_once(pair.up, tensor); break;
      case LoraRole::kAlpha: set_once(pair.alpha, tensor); break;
      default: set_once(pair.up_bias, tensor); pair.bias = &weight;
    }
  }

  void set_once(const StoredTensor*& place, const StoredTensor& tensor) const {
    if (place != nullptr)
      fail(fmt::format("{} and {} are the same part of one layer: save one adapter in a file", printable(place->name),
                       printable(tensor.name)));
    place = &tensor;
  }

  void report_unmatched(LoraUnmatched unmatched) const {
    const LoraFacts& facts = result_.facts_;
    std::vector<std::string> shown;
    for (const std::string& name : facts.unmatched_names) shown.push_back(printable(name));
    if (facts.applied == 0)
      fail(fmt::format(
          "none of its {} tensors changes anything that this model has{}{}: it is no LoRA, or one of "
          "another model",
          result_.file_.tensors().size(), shown.empty() ? "" : "; they begin with ", fmt::join(shown, ", ")));
    if (facts.unmatched > 0 && unmatched == LoraUnmatched::kRefused)
      fail(fmt::format("{} of its {} tensors change nothing that this model has, such as {}", facts.unmatched,
                       result_.file_.tensors().size(), fmt::join(shown, ", ")));
  }

  void read_adapters() {
    if (!adapter_file_.empty()) {
      const std::string text = read_text(adapter_file_, kMostConfigBytes);
      adapter_ = LoraAdapter::read(parse_json(text, adapter_file_.string()), "", adapter_file_.string());
      if (adapter_) result_.facts_.adapter_digest = sha256_hex(text);
    }
    const auto header = result_.file_.metadata().find(kHeaderConfig);
    if (header == result_.file_.metadata().end()) return;
    const std::string where = fmt::format("{}: {}", where_, kHeaderConfig);
    require(header->second.size() <= kMostConfigBytes, where + " is too large");
    const nlohmann::json said = parse_json(header->second, where);
    header_adapters_ = {LoraAdapter::read(said, "", where), LoraAdapter::read(said, "transformer.", where),
                        LoraAdapter::read(said, "transformer_2.", where)};
  }

  /// Of factors without an alpha of their own.
  double scale_of(LoraExpert expert, const std::string& module, int64_t rank) {
    const size_t component = expert == LoraExpert::kLow ? 2 : 1;
    for (const size_t each : {component, size_t{0}})
      if (const auto& adapter = header_adapters_[each]) {
        ++result_.facts_.scales[kHeaderConfig];
        return adapter->scale(module, rank);
      }
    if (adapter_) {
      ++result_.facts_.scales[kPeftConfig];
      return adapter_->scale(module, rank);
    }
    ++result_.facts_.scales["1, since nothing says another"];
    return 1;
  }

  double own_scale(const StoredTensor& alpha, int64_t rank) {
    const double value = alpha.shape.count() == 1 ? number_in(result_.file_, alpha) : NAN;
    if (!std::isfinite(value))
      fail(fmt::format("{} is {} {}, expected one finite number", printable(alpha.name), alpha.type_name(),
                       alpha.shape.text()));
    ++result_.facts_.scales["alpha"];
    return value / static_cast<double>(rank);
  }

  void add_pair(LoraExpert expert, const ExpectedWeight& weight, const Pair& pair) {
    if (pair.down == nullptr && pair.up == nullptr && pair.up_bias == nullptr && has_difference(weight)) return;
    if (pair.down == nullptr || pair.up == nullptr) {
      const StoredTensor* there = pair.down ? pair.down : pair.up ? pair.up : pair.alpha ? pair.alpha : pair.up_bias;
      fail(fmt::format("{} is there without {} of {}: the file is damaged, take another one", printable(there->name),
                       pair.down ? "lora_B (lora_up)"
                       : pair.up ? "lora_A (lora_down)"
                                 : "the factors",
                       printable(pair.module)));
    }
    const int64_t rank = checked_rank(weight, pair);
    LoraChange change;
    change.weight = weight.name;
    change.shape = weight.shape;
    change.expert = expert;
    change.rank = rank;
    change.scale = pair.alpha ? own_scale(*pair.alpha, rank) : scale_of(expert, pair.module, rank);
    change.up = pair.up;
    change.down = pair.down;
    ++result_.facts_.ranks[rank];
    if (pair.up_bias) add_difference(*pair.up_bias, expert, *pair.bias, change.scale);
    result_.changes_.push_back(std::move(change));
  }

  /// A convolution's factors are flattened: all axes behind the first are one.
  int64_t checked_rank(const ExpectedWeight& weight, const Pair& pair) const {
    const Shape &down = pair.down->shape, &up = pair.up->shape;
    if (weight.shape.rank() < 2)
      fail(fmt::format("{} is a factor of {}, which has one axis and cannot be a product", printable(pair.up->name),
                       weight.name));
    const int64_t rows = weight.shape[0], columns = weight.shape.count() / rows;
    const int64_t rank = down.rank() >= 2 ? down[0] : 0;
    if (rank < 1 || down.count() != rank * columns) fail_shape(*pair.down, weight, fmt::format("[rank, {}]", columns));
    if (up.rank() < 2 || up[0] != rows || up.count() != rows * rank)
      fail_shape(*pair.up, weight, fmt::format("[{}, {}]", rows, rank));
    if (rank > kMostRank)
      fail(fmt::format("{} has rank {}, expected at most {}", printable(pair.down->name), rank, kMostRank));
    return rank;
  }

  void add_difference(const StoredTensor& tensor, LoraExpert expert, const ExpectedWeight& weight, double scale) {
    const Shape stored = squeezed(tensor.shape), own = squeezed(weight.shape);
    const int64_t first = weight.shape.rank() > 0 ? weight.shape[0] : 1;
    const Shape flattened = squeezed({first, weight.shape.count() / first});
    if (!(stored == own) && !(stored == flattened)) fail_shape(tensor, weight, weight.shape.text());
    LoraChange change;
    change.weight = weight.name;
    change.shape = weight.shape;
    change.expert = expert;
    change.scale = scale;
    change.difference = &tensor;
    result_.changes_.push_back(std::move(change));
  }

  bool has_difference(const ExpectedWeight& weight) const {
    return std::any_of(result_.changes_.begin(), result_.changes_.end(),
                       [&](const LoraChange& change) { return change.weight == weight.name; });
  }

  /// What is for the pipeline's first component is for all experts where nothing is for its second.
  void settle_experts() {
    auto& changes = result_.changes_;
    const bool has_second = std::any_of(changes.begin(), changes.end(),
                                        [](const LoraChange& change) { return change.expert == LoraExpert::kLow; });
    for (LoraChange& change : changes)
      if (!has_second && change.expert == LoraExpert::kHigh) change.expert = LoraExpert::kAll;
  }

  void sort_changes() {
    auto& changes = result_.changes_;
    const auto place = [](const LoraChange& change) { return std::pair(change.weight, !change.is_product()); };
    std::stable_sort(changes.begin(), changes.end(),
                     [&](const LoraChange& a, const LoraChange& b) { return place(a) < place(b); });
    for (size_t i = 1; i < changes.size(); ++i) {
      const LoraChange &a = changes[i - 1], &b = changes[i];
      const bool both = a.expert == b.expert || a.expert == LoraExpert::kAll || b.expert == LoraExpert::kAll;
      if (both && place(a) == place(b))
        fail(fmt::format("{} and {} both change {}: save one adapter in a file",
                         printable((a.up ? a.up : a.difference)->name), printable((b.up ? b.up : b.difference)->name),
                         a.weight));
    }
  }

  LoraNames names_;
  std::string where_;
  Lora result_;
  fs::path adapter_file_;
  std::map<std::pair<LoraExpert, const ExpectedWeight*>, Pair> pairs_;
  std::optional<LoraAdapter> adapter_;                         // of adapter_config.json
  std::array<std::optional<LoraAdapter>, 3> header_adapters_;  // of all, of transformer, of transformer_2
};

LoraFiles lora_files(const fs::path& path) {
  LoraFiles files{factors_in(path), {}};
  const fs::path config = files.factors.parent_path() / kPeftConfig;
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(config, ignored))) {
    require(is_file(config),
            fmt::format("{} is no file, and the scale of {} may stand in it: remove it, or put a file there",
                        config.string(), files.factors.string()));
    files.adapter = config;
  }
  return files;
}

Lora Lora::open(const fs::path& path, std::span<const ExpectedWeight> weights, LoraUnmatched unmatched) {
  return LoraOpener(path, weights).open(unmatched);
}

}  // namespace wan
