// DiT sizes from config.json and tensor shapes, and the weight layouts they imply.
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "model/dit.h"
#include "model/variant.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

/// torch's xavier_uniform_ has this standard deviation; the official initialiser uses it for every Linear.
float xavier(int64_t out, int64_t in) { return std::sqrt(2.0f / static_cast<float>(out + in)); }

int64_t positive(const nlohmann::json& json, const char* key, const std::filesystem::path& path) {
  require(json.contains(key) && json[key].is_number_integer(),
          fmt::format("{}: key \"{}\" is missing or not an integer", path.string(), key));
  const int64_t value = json[key].get<int64_t>();
  require(value > 0 && value <= 1'000'000, fmt::format("{}: {} = {} is out of range", path.string(), key, value));
  return value;
}

int64_t count_blocks(const TensorFile& file) {
  int64_t blocks = 0;
  while (file.find(fmt::format("blocks.{}.modulation", blocks)) != nullptr) ++blocks;
  require(blocks > 0, fmt::format("{}: no tensor blocks.0.modulation: this is not a Wan DiT in the official naming",
                                  file.path().string()));
  return blocks;
}

nlohmann::json read_config(const std::filesystem::path& path) {
  nlohmann::json json = parse_json(read_text(path, uint64_t{1} << 20), path.string());
  require(json.is_object(), fmt::format("{}: expected a JSON object", path.string()));
  return json;
}

const Variant& variant_in(const nlohmann::json& json, const std::filesystem::path& path) {
  require(json.contains("model_type") && json["model_type"].is_string(),
          fmt::format("{}: key \"model_type\" is missing", path.string()));
  const auto task = json["model_type"].get<std::string>();
  const Variant* variant = find_task(task);
  std::vector<std::string_view> known;
  for (const Variant& row : variants()) known.push_back(row.task);
  require(variant != nullptr,
          fmt::format("{}: model_type \"{}\" is not one of {}", path.string(), task, fmt::join(known, ", ")));
  return *variant;
}

}  // namespace

const Variant& read_variant(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  return variant_in(read_config(path), path);
}

DitConfig read_dit_config(const std::filesystem::path& folder, const TensorFile& file) {
  const auto path = folder / "config.json";
  const nlohmann::json json = read_config(path);
  require(file.find("img_emb.proj.0.weight") == nullptr,
          fmt::format("{} holds image-embedding tensors: a Wan2.1 image-to-video file, which this program does not run",
                      file.path().string()));
  DitConfig config;
  config.patch = variant_in(json, path).dit.patch;
  config.num_heads = positive(json, "num_heads", path);
  if (json.contains("text_len")) config.text_len = positive(json, "text_len", path);
  if (json.contains("freq_dim")) config.freq_dim = positive(json, "freq_dim", path);
  if (json.contains("eps") && json["eps"].is_number()) config.eps = json["eps"].get<float>();
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
