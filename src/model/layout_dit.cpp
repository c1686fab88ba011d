// The DiT in diffusers' naming (transformer_wan.py, convert_wan_to_diffusers.py), and its sizes. ComfyUI, Kijai,
// LightX2V and GGUF have the official names.
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "model/dit.h"
#include "model/layout.h"

namespace wan {
namespace {

using Renamed = std::pair<std::string_view, std::string_view>;

/// The beginning of a name outside the blocks.
constexpr std::array<Renamed, 7> kStem{{
    {"time_embedding.0.", "condition_embedder.time_embedder.linear_1."},
    {"time_embedding.2.", "condition_embedder.time_embedder.linear_2."},
    {"time_projection.1.", "condition_embedder.time_proj."},
    {"text_embedding.0.", "condition_embedder.text_embedder.linear_1."},
    {"text_embedding.2.", "condition_embedder.text_embedder.linear_2."},
    {"head.modulation", "scale_shift_table"},
    {"head.head.", "proj_out."},
}};

/// The beginning of a name within a block. diffusers numbers its norms by the order they run in, so that its norm2 is
/// the official norm3; of the three only this one has parameters.
constexpr std::array<Renamed, 16> kBlock{{
    {"modulation", "scale_shift_table"},
    {"norm3.", "norm2."},
    {"self_attn.q.", "attn1.to_q."},
    {"self_attn.k.", "attn1.to_k."},
    {"self_attn.v.", "attn1.to_v."},
    {"self_attn.o.", "attn1.to_out.0."},
    {"self_attn.norm_q.", "attn1.norm_q."},
    {"self_attn.norm_k.", "attn1.norm_k."},
    {"cross_attn.q.", "attn2.to_q."},
    {"cross_attn.k.", "attn2.to_k."},
    {"cross_attn.v.", "attn2.to_v."},
    {"cross_attn.o.", "attn2.to_out.0."},
    {"cross_attn.norm_q.", "attn2.norm_q."},
    {"cross_attn.norm_k.", "attn2.norm_k."},
    {"ffn.0.", "ffn.net.0.proj."},
    {"ffn.2.", "ffn.net.2."},
}};

template <size_t N>
std::string renamed(std::string_view name, const std::array<Renamed, N>& table) {
  for (const auto& [from, to] : table)
    if (name.starts_with(from)) return fmt::format("{}{}", to, name.substr(from.size()));
  return std::string(name);
}

}  // namespace

std::string stored_dit_name(WeightNaming, std::string_view official) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!official.starts_with(kBlocks)) return renamed(official, kStem);
  const size_t inside = official.find('.', kBlocks.size()) + 1;
  return fmt::format("{}{}", official.substr(0, inside), renamed(official.substr(inside), kBlock));
}

std::vector<ExpectedWeight> dit_weights(const DitConfig& config) {
  std::vector<ExpectedWeight> weights;
  for (const WeightLayout& layout : dit_layouts(config, DType::kF32))
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& weight : slot.parts) weights.push_back({weight.source, weight.shape});
  return weights;
}

namespace {

/// The blocks behind which audio goes in are in no tensor: unset.
SpeechConfig expected_speech(const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  const auto size = [&](std::string_view what, int64_t count) { return checked_size(count, what, where); };
  SpeechConfig speech;
  speech.audio_layers = size("the number of audio layers", shape_of("casual_audio_encoder.weights").count());
  const Shape first = shape_with_axes(shape_of, "casual_audio_encoder.encoder.conv1_global.conv.weight", 3, where);
  const int64_t narrow = size("the narrowest width of the audio encoder", first[0]);
  speech.audio_dim = size("the width of audio", first[1]);
  speech.audio_tokens = size("the number of audio tokens",
                             shape_of("casual_audio_encoder.encoder.conv1_local.conv.bias").count() / narrow);
  constexpr auto kMost = static_cast<int64_t>(SpeechConfig::kMostInjected);
  while (speech.injected <= kMost && has(fmt::format("audio_injector.injector.{}.q.weight", speech.injected)))
    ++speech.injected;
  require(speech.injected >= 1 && speech.injected <= kMost,
          fmt::format("{}: audio is injected behind {} blocks by its tensors, expected 1 to {}", where,
                      speech.injected > kMost ? "too many" : "no", kMost));
  return speech;
}

}  // namespace

ExpectedPart expected_dit(const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  const auto size = [&](std::string_view what, int64_t count) { return checked_size(count, what, where); };
  const auto columns = [&](const char* name) { return shape_with_axes(shape_of, name, 2, where)[1]; };
  ExpectedPart part;
  DitConfig& c = part.sizes.dit;
  c.dim = size("the width", shape_of("head.modulation").count() / 2);
  c.in_dim =
      size("the number of input channels", shape_of("patch_embedding.weight").count() / (c.dim * c.patch.positions()));
  c.out_dim = size("the number of output channels", shape_of("head.head.bias").count() / c.patch.positions());
  c.text_dim = size("the text's width", columns("text_embedding.0.weight"));
  c.freq_dim = size("the width of timesteps", columns("time_embedding.0.weight"));
  c.ffn_dim = size("the width of the feed-forward network", shape_of("blocks.0.ffn.0.bias").count());
  c.num_layers = count_blocks(has, "modulation", where);
  if (has("casual_audio_encoder.weights")) c.speech = expected_speech(shape_of, has, where);
  if (has("face_encoder.padding_tokens")) {
    c.animate = expected_animate(shape_of, has, c.num_layers, where);
    const int64_t head = size("the width of a head", shape_of("face_adapter.fuser_blocks.0.q_norm.weight").count());
    require(c.dim % head == 0, fmt::format("{}: heads of {} do not divide the width {}", where, head, c.dim));
    c.num_heads = c.dim / head;
  }
  part.weights = dit_weights(c);
  return part;
}

}  // namespace wan
