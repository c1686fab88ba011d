// DiT sizes from config.json and tensor shapes, and the weight layouts they imply.
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "model/dit.h"
#include "model/tokenizer.h"
#include "model/variant.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

/// torch's xavier_uniform_ has this standard deviation; the official initialiser uses it for every Linear.
float xavier(int64_t out, int64_t in) { return std::sqrt(2.0f / static_cast<float>(out + in)); }

/// What the numbers of config.json may be.
constexpr Bounds<int64_t> kWidths{1, 1'000'000};
constexpr Bounds<int64_t> kHeads{1, 10'000};
constexpr Bounds<int64_t> kTextLengths{kTextLength, 65'536};  // the tokenizer fills up to kTextLength
constexpr Bounds<double> kEps{1e-12, 1e-2};                   // beside a mean square of about one, in float32

int64_t count_blocks(const TensorFile& file) {
  int64_t blocks = 0;
  while (file.find(fmt::format("blocks.{}.modulation", blocks)) != nullptr) ++blocks;
  require(blocks > 0, fmt::format("{}: no tensor blocks.0.modulation: this is not a Wan DiT in the official naming",
                                  file.path().string()));
  return blocks;
}

nlohmann::json read_config(const std::filesystem::path& path) {
  return parse_json(read_text(path, uint64_t{1} << 20), path.string());
}

const Variant& variant_in(JsonReader& config) {
  std::string task;
  config.read("model_type", task);
  const Variant* variant = find_task(task);
  std::vector<std::string_view> known;
  for (const Variant& row : variants()) known.push_back(row.task);
  if (variant == nullptr)
    throw config.error(fmt::format("model_type \"{}\" is not one of {}", task, fmt::join(known, ", ")));
  return *variant;
}

/// What config.json says of a size must be what the tensors have; a size that it leaves out is theirs.
void check_size(JsonReader& json, const char* key, int64_t of_tensors) {
  std::optional<int64_t> said;
  json.read(key, said, kWidths);
  if (said && *said != of_tensors)
    throw json.error(fmt::format("field '{}' is {}, but the tensors have {}", key, *said, of_tensors));
}

void check_sizes(JsonReader& json, const DitConfig& config) {
  check_size(json, "dim", config.dim);
  check_size(json, "ffn_dim", config.ffn_dim);
  check_size(json, "in_dim", config.in_dim);
  check_size(json, "out_dim", config.out_dim);
  check_size(json, "text_dim", config.text_dim);
  check_size(json, "num_layers", config.num_layers);
}

}  // namespace

const Variant& read_variant(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  const nlohmann::json json = read_config(path);
  JsonReader config(json, path.string());
  return variant_in(config);
}

DitConfig read_dit_config(const std::filesystem::path& folder, const TensorFile& file) {
  const auto path = folder / "config.json";
  const nlohmann::json json = read_config(path);
  JsonReader reader(json, path.string());
  require(file.find("img_emb.proj.0.weight") == nullptr,
          fmt::format("{} holds image-embedding tensors: a Wan2.1 image-to-video file, which this program does not run",
                      file.path().string()));
  DitConfig config;
  config.patch = variant_in(reader).dit.patch;
  double eps = config.eps;
  reader.read("num_heads", config.num_heads, kHeads);
  reader.read("text_len", config.text_len, kTextLengths);
  reader.read("freq_dim", config.freq_dim, kWidths);
  reader.read("eps", eps, kEps);
  config.eps = static_cast<float>(eps);
  if (config.freq_dim % 2 != 0) throw reader.error("field 'freq_dim' must be even: sines and cosines");
  if (config.num_heads == 0) throw reader.error("field 'num_heads' is missing");
  const auto shape = [&](const char* name, int rank) {
    const Shape& found = file.at(name).shape;
    require(found.rank() == rank,
            fmt::format("{}: {} has shape {}, expected {} axes", file.path().string(), name, found.text(), rank));
    return found;
  };
  const Shape embedding = shape("patch_embedding.weight", 5);
  config.dim = embedding[0];
  config.in_dim = embedding[1];
  config.text_dim = shape("text_embedding.0.weight", 2)[1];
  config.ffn_dim = shape("blocks.0.ffn.0.weight", 2)[0];
  config.out_dim = shape("head.head.weight", 2)[0] / config.patch.positions();
  config.num_layers = count_blocks(file);
  check_sizes(reader, config);
  require(config.dim % config.num_heads == 0 && config.head_dim() % 2 == 0,
          fmt::format("{}: num_heads {} does not divide dim {} into even heads", path.string(), config.num_heads,
                      config.dim));
  return config;
}

WeightLayout dit_stem_layout(const DitConfig& c, DType compute) {
  WeightLayout layout;
  const int64_t d = c.dim;
  const int64_t patch_in = c.in_dim * c.patch.positions(), patch_out = c.out_dim * c.patch.positions();
  const auto linear = [&](const std::string& name, int64_t out, int64_t in, DType dtype, Initializer init) {
    layout.add(name + ".weight", dtype, {out, in}, name + ".weight", init);
    layout.add(name + ".bias", dtype, {out}, name + ".bias", {});
  };
  const Shape convolution{d, c.in_dim, c.patch.frames, c.patch.rows, c.patch.columns};
  layout.add("patch_embedding.weight", compute, {d, patch_in},
             {Source{"patch_embedding.weight", convolution, {0, xavier(d, patch_in)}}});
  layout.add("patch_embedding.bias", compute, {d}, "patch_embedding.bias", {});
  linear("text_embedding.0", d, c.text_dim, compute, {0, 0.02f});
  linear("text_embedding.2", d, d, compute, {0, 0.02f});
  linear("time_embedding.0", d, c.freq_dim, DType::kF32, {0, 0.02f});
  linear("time_embedding.2", d, d, DType::kF32, {0, 0.02f});
  linear("time_projection.1", 6 * d, d, DType::kF32, {0, xavier(6 * d, d)});
  // The official initialiser zeroes the head; a card is benchmarked with a head that lets something through.
  linear("head.head", patch_out, d, DType::kF32, {0, xavier(patch_out, d)});
  const float modulation = 1.0f / std::sqrt(static_cast<float>(d));
  layout.add("head.modulation", DType::kF32, {2, d}, {Source{"head.modulation", {1, 2, d}, {0, modulation}}});
  std::vector<Source> modulations;
  for (int64_t i = 0; i < c.num_layers; ++i)
    modulations.push_back({fmt::format("blocks.{}.modulation", i), {1, 6, d}, {0, modulation}});
  layout.add("modulations", DType::kF32, {c.num_layers, 6 * d}, std::move(modulations));
  return layout;
}

WeightLayout dit_block_layout(const DitConfig& c, int block, DType compute) {
  WeightLayout layout;
  const int64_t d = c.dim;
  const std::string p = fmt::format("blocks.{}.", block);
  const Initializer init{0, xavier(d, d)};
  const auto linear = [&](const std::string& slot, int64_t out, int64_t in, std::vector<std::string> names,
                          Initializer weight_init) {
    std::vector<Source> weights, biases;
    const int64_t rows = out / static_cast<int64_t>(names.size());
    for (const std::string& name : names) {
      weights.push_back({p + name + ".weight", {rows, in}, weight_init});
      biases.push_back({p + name + ".bias", {rows}, {}});
    }
    layout.add(slot + ".weight", compute, {out, in}, std::move(weights));
    layout.add(slot + ".bias", compute, {out}, std::move(biases));
  };
  const auto vector = [&](const std::string& name, float mean) {
    layout.add(name, DType::kF32, {d}, p + name, {mean, 0});
  };
  linear("self_attn.qkv", 3 * d, d, {"self_attn.q", "self_attn.k", "self_attn.v"}, init);
  linear("self_attn.o", d, d, {"self_attn.o"}, init);
  linear("cross_attn.q", d, d, {"cross_attn.q"}, init);
  linear("cross_attn.kv", 2 * d, d, {"cross_attn.k", "cross_attn.v"}, init);
  linear("cross_attn.o", d, d, {"cross_attn.o"}, init);
  linear("ffn.0", c.ffn_dim, d, {"ffn.0"}, {0, xavier(c.ffn_dim, d)});
  linear("ffn.2", d, c.ffn_dim, {"ffn.2"}, {0, xavier(c.ffn_dim, d)});
  for (const char* name : {"self_attn.norm_q.weight", "self_attn.norm_k.weight", "cross_attn.norm_q.weight",
                           "cross_attn.norm_k.weight", "norm3.weight"})
    vector(name, 1.0f);
  vector("norm3.bias", 0.0f);
  return layout;
}

}  // namespace wan
