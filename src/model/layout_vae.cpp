// The VAEs in diffusers' naming (autoencoder_kl_wan.py), and their sizes.
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "model/layout.h"
#include "model/vae_structure.h"

namespace wan {
namespace {

using Renamed = std::pair<std::string_view, std::string_view>;

constexpr std::array<Renamed, 10> kStem{{
    {"conv1.", "quant_conv."},
    {"conv2.", "post_quant_conv."},
    {"encoder.conv1.", "encoder.conv_in."},
    {"decoder.conv1.", "decoder.conv_in."},
    {"encoder.head.0.", "encoder.norm_out."},
    {"decoder.head.0.", "decoder.norm_out."},
    {"encoder.head.2.", "encoder.conv_out."},
    {"decoder.head.2.", "decoder.conv_out."},
    {"encoder.middle.1.", "encoder.mid_block.attentions.0."},
    {"decoder.middle.1.", "decoder.mid_block.attentions.0."},
}};

constexpr std::array<Renamed, 4> kMiddle{{
    {"encoder.middle.0.", "encoder.mid_block.resnets.0."},
    {"encoder.middle.2.", "encoder.mid_block.resnets.1."},
    {"decoder.middle.0.", "decoder.mid_block.resnets.0."},
    {"decoder.middle.2.", "decoder.mid_block.resnets.1."},
}};

/// Within a residual block.
constexpr std::array<Renamed, 5> kResidual{{
    {"residual.0.", "norm1."},
    {"residual.2.", "conv1."},
    {"residual.3.", "norm2."},
    {"residual.6.", "conv2."},
    {"shortcut.", "conv_shortcut."},
}};

/// The name with the beginning that `table` has for it, or as it is.
template <size_t N>
std::string renamed(std::string_view name, const std::array<Renamed, N>& table) {
  for (const auto& [from, to] : table)
    if (name.starts_with(from)) return fmt::format("{}{}", to, name.substr(from.size()));
  return std::string(name);
}

/// Takes "NUMBER." off the beginning of `name`.
int take_index(std::string_view& name) {
  int index = 0;
  const char* end = std::from_chars(name.data(), name.data() + name.size(), index).ptr;
  name.remove_prefix(static_cast<size_t>(end - name.data()) + 1);
  return index;
}

/// Takes `text` off the beginning of `name`; false where it is not there.
bool take(std::string_view& name, std::string_view text) {
  if (!name.starts_with(text)) return false;
  name.remove_prefix(text.size());
  return true;
}

bool is_resample(std::string_view name) { return name.starts_with("resample.") || name.starts_with("time_conv."); }

/// "downsamples." taken off. Version 2.2 nests its levels, version 2.1 has one list, in both namings.
std::string encoder_level(std::string_view name) {
  const int first = take_index(name);
  if (!take(name, "downsamples.")) return fmt::format("encoder.down_blocks.{}.{}", first, renamed(name, kResidual));
  const int second = take_index(name);
  if (is_resample(name)) return fmt::format("encoder.down_blocks.{}.downsampler.{}", first, name);
  return fmt::format("encoder.down_blocks.{}.resnets.{}.{}", first, second, renamed(name, kResidual));
}

/// "upsamples." taken off. diffusers nests the levels of version 2.1 too, and calls its enlarging modules otherwise.
std::string decoder_level(std::string_view name) {
  constexpr int kModules = vae::kDecoderResiduals + 1;  // the last one enlarges
  int level = take_index(name), module = 0;
  const bool nested = take(name, "upsamples.");
  if (nested)
    module = take_index(name);
  else
    module = std::exchange(level, level / kModules) % kModules;
  if (is_resample(name))
    return fmt::format("decoder.up_blocks.{}.{}.{}", level, nested ? "upsampler" : "upsamplers.0", name);
  return fmt::format("decoder.up_blocks.{}.resnets.{}.{}", level, module, renamed(name, kResidual));
}

}  // namespace

std::string stored_vae_name(WeightNaming, std::string_view official) {
  std::string_view rest = official;
  if (take(rest, "encoder.downsamples.")) return encoder_level(rest);
  if (take(rest, "decoder.upsamples.")) return decoder_level(rest);
  for (const auto& [from, to] : kMiddle)
    if (official.starts_with(from)) return fmt::format("{}{}", to, renamed(official.substr(from.size()), kResidual));
  return renamed(official, kStem);
}

ExpectedPart expected_vae(const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  ExpectedPart part;
  // In diffusers' naming both versions have the same residual blocks here; only what enlarges is called otherwise.
  const bool nested = has(vae::decoder_resample(VaeVersion::k22, 0) + ".resample.1.weight");
  part.sizes.vae = nested ? VaeVersion::k22 : VaeVersion::k21;
  const vae::Widths widths = vae::read_widths(part.sizes.vae, [&](const std::string& name) {
    const Shape shape = shape_of(name + ".weight");
    require(shape.rank() >= 4,
            fmt::format("{}: {}.weight has shape {}, expected a convolution", where, name, shape.text()));
    return checked_size(shape[0], name, where);
  });
  part.sizes.latent_channels = widths.latent;
  for (WeightPart& weight : vae::expected_parts(part.sizes.vae, widths))
    part.weights.push_back({std::move(weight.source), weight.shape});
  return part;
}

}  // namespace wan
