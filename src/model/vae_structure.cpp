#include "model/vae_structure.h"

#include <cmath>

#include <fmt/format.h>

#include "model/weight_file.h"

namespace wan::vae {
namespace {

/// Collects the tensors of one module after the other.
class Collector {
 public:
  void conv(const std::string& name, int64_t out, int64_t in, std::vector<int64_t> kernel) {
    std::vector<int64_t> extents{out, in};
    int64_t fan_in = in;
    for (int64_t k : kernel) {
      extents.push_back(k);
      fan_in *= k;
    }
    add(name + ".weight", Shape(extents), {0, 1.0f / std::sqrt(static_cast<float>(fan_in))});
    add(name + ".bias", {out}, {});
  }
  void gamma(const std::string& name, const Shape& shape) { add(name + ".gamma", shape, {1, 0}); }
  void residual(const std::string& prefix, int64_t in, int64_t out) {
    gamma(prefix + ".residual.0", {in, 1, 1, 1});
    conv(prefix + ".residual.2", out, in, {3, 3, 3});
    gamma(prefix + ".residual.3", {out, 1, 1, 1});
    conv(prefix + ".residual.6", out, out, {3, 3, 3});
    if (in != out) conv(prefix + ".shortcut", out, in, {1, 1, 1});
  }
  void middle(const std::string& prefix, int64_t channels) {
    residual(prefix + ".0", channels, channels);
    gamma(prefix + ".1.norm", {channels, 1, 1});
    conv(prefix + ".1.to_qkv", 3 * channels, channels, {1, 1});
    conv(prefix + ".1.proj", channels, channels, {1, 1});
    residual(prefix + ".2", channels, channels);
  }
  void head(const std::string& prefix, int64_t in, int64_t out) {
    gamma(prefix + ".0", {in, 1, 1, 1});
    conv(prefix + ".2", out, in, {3, 3, 3});
  }
  std::vector<WeightPart> take() { return std::move(parts_); }

 private:
  void add(std::string name, const Shape& shape, Initializer init) {
    parts_.push_back({std::move(name), shape, 0, init});
  }
  std::vector<WeightPart> parts_;
};

int64_t pixels_in(VaeVersion version) { return 3 * traits_of(version).patch * traits_of(version).patch; }

/// Version 2.1 halves the channels when it enlarges.
int64_t upsampled(VaeVersion version, int64_t channels) { return version == VaeVersion::k22 ? channels : channels / 2; }

}  // namespace

Widths published_widths(VaeVersion version) {
  if (version == VaeVersion::k22) return {48, 160, {160, 320, 640, 640}, 1024, {1024, 1024, 512, 256}};
  return {16, 96, {96, 192, 384, 384}, 384, {384, 384, 192, 96}};
}

Widths read_widths(VaeVersion version, const WeightFile& file) {
  return read_widths(version, [&](const std::string& name) { return file.at(name + ".weight").shape[0]; });
}

Widths read_widths(VaeVersion version, const std::function<int64_t(const std::string& name)>& rows) {
  Widths widths;
  widths.latent = rows("conv2");
  widths.encoder_in = rows("encoder.conv1");
  widths.decoder_in = rows("decoder.conv1");
  for (int level = 0; level < kLevels; ++level) {
    widths.encoder[static_cast<size_t>(level)] = rows(encoder_block(version, level, 0) + ".residual.2");
    widths.decoder[static_cast<size_t>(level)] = rows(decoder_block(version, level, 0) + ".residual.2");
  }
  return widths;
}

std::vector<WeightPart> expected_parts(VaeVersion version, const Widths& w) {
  Collector out;
  int64_t channels = w.encoder_in;
  out.conv("encoder.conv1", channels, pixels_in(version), {3, 3, 3});
  for (int level = 0; level < kLevels; ++level) {
    const int64_t width = w.encoder[static_cast<size_t>(level)];
    for (int block = 0; block < kEncoderResiduals; ++block) {
      out.residual(encoder_block(version, level, block), channels, width);
      channels = width;
    }
    if (level + 1 == kLevels) break;
    out.conv(encoder_resample(version, level) + ".resample.1", channels, channels, {3, 3});
    if (encoder_halves_time(level))
      out.conv(encoder_resample(version, level) + ".time_conv", channels, channels, {3, 1, 1});
  }
  out.middle("encoder.middle", channels);
  out.head("encoder.head", channels, 2 * w.latent);
  out.conv("conv1", 2 * w.latent, 2 * w.latent, {1, 1, 1});
  out.conv("conv2", w.latent, w.latent, {1, 1, 1});
  channels = w.decoder_in;
  out.conv("decoder.conv1", channels, w.latent, {3, 3, 3});
  out.middle("decoder.middle", channels);
  for (int level = 0; level < kLevels; ++level) {
    const int64_t width = w.decoder[static_cast<size_t>(level)];
    for (int block = 0; block < kDecoderResiduals; ++block) {
      out.residual(decoder_block(version, level, block), channels, width);
      channels = width;
    }
    if (level + 1 == kLevels) break;
    if (decoder_doubles_time(level))
      out.conv(decoder_resample(version, level) + ".time_conv", 2 * channels, channels, {3, 1, 1});
    out.conv(decoder_resample(version, level) + ".resample.1", upsampled(version, channels), channels, {3, 3});
    channels = upsampled(version, channels);
  }
  out.head("decoder.head", channels, pixels_in(version));
  return out.take();
}

std::string encoder_block(VaeVersion version, int level, int block) {
  if (version == VaeVersion::k22) return fmt::format("encoder.downsamples.{}.downsamples.{}", level, block);
  return fmt::format("encoder.downsamples.{}", level * (kEncoderResiduals + 1) + block);
}

std::string encoder_resample(VaeVersion version, int level) { return encoder_block(version, level, kEncoderResiduals); }

std::string decoder_block(VaeVersion version, int level, int block) {
  if (version == VaeVersion::k22) return fmt::format("decoder.upsamples.{}.upsamples.{}", level, block);
  return fmt::format("decoder.upsamples.{}", level * (kDecoderResiduals + 1) + block);
}

std::string decoder_resample(VaeVersion version, int level) { return decoder_block(version, level, kDecoderResiduals); }

}  // namespace wan::vae

namespace wan {

std::vector<WeightPart> vae_parts(VaeVersion version, const WeightFile* file) {
  return vae::expected_parts(version,
                             file != nullptr ? vae::read_widths(version, *file) : vae::published_widths(version));
}

}  // namespace wan
