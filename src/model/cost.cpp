#include "model/cost.h"

#include "model/vae_structure.h"

namespace wan {
namespace {

using vae::kLevels;

constexpr double kResample = static_cast<double>(vae::kResample);

double real(int64_t value) { return static_cast<double>(value); }

/// Operations of the residual blocks, resampling and attention of one VAE, by walking it as the forward pass does.
class VaeCounter {
 public:
  VaeCounter(double frames, double height, double width) : frames_(frames), height_(height), width_(width) {}

  /// `read`: positions of the input for each of the output.
  void conv(double in, double out, double taps, double read = 1) {
    total_ += 2 * in * out * taps * positions();
    values_ += (read * in + out) * positions();
  }
  void residual(double in, double out) {
    conv(in, out, 27);
    conv(out, out, 27);
    if (in != out) conv(in, out, 1);
  }
  void middle(double channels) {
    residual(channels, channels);
    residual(channels, channels);
    conv(channels, 4 * channels, 1);
    total_ += 4 * channels * positions() * height_ * width_;
  }
  void scale(double space, double time) {
    height_ *= space;
    width_ *= space;
    frames_ = 1 + (frames_ - 1) * time;
  }
  void scale_time(double time) { scale(1, time); }
  double total() const { return total_; }
  double values() const { return values_; }

 private:
  double positions() const { return frames_ * height_ * width_; }
  double frames_, height_, width_;
  double total_ = 0, values_ = 0;
};

vae::Widths widths_of(const VaeConfig& config, const WeightFile* file) {
  return file != nullptr ? vae::read_widths(config.version, *file) : vae::published_widths(config.version);
}

VaeCounter count_decoding(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height,
                          int64_t width) {
  const vae::Widths w = widths_of(config, file);
  VaeCounter count(real(frames), real(height), real(width));
  const double z = real(w.latent);
  count.conv(z, z, 1);
  double channels = real(w.decoder_in);
  count.conv(z, channels, 27);
  count.middle(channels);
  for (int level = 0; level < kLevels; ++level) {
    const double out = real(w.decoder[static_cast<size_t>(level)]);
    for (int block = 0; block < vae::kDecoderResiduals; ++block) {
      count.residual(channels, out);
      channels = out;
    }
    if (level + 1 == kLevels) break;
    if (vae::decoder_doubles_time(level)) {
      count.conv(channels, kResample * channels, 3);
      count.scale_time(kResample);
    }
    const double enlarged = config.version == VaeVersion::k22 ? channels : channels / 2;
    count.scale(kResample, 1);
    count.conv(channels, enlarged, 9, 1 / (kResample * kResample));
    channels = enlarged;
  }
  count.conv(channels, 3 * real(config.patch()) * real(config.patch()), 27);
  return count;
}

VaeCounter count_encoding(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height,
                          int64_t width) {
  const vae::Widths w = widths_of(config, file);
  const double patch = real(config.patch());
  VaeCounter count(real(frames), real(height) / patch, real(width) / patch);
  double channels = real(w.encoder_in);
  count.conv(3 * patch * patch, channels, 27);
  for (int level = 0; level < kLevels; ++level) {
    const double out = real(w.encoder[static_cast<size_t>(level)]);
    for (int block = 0; block < vae::kEncoderResiduals; ++block) {
      count.residual(channels, out);
      channels = out;
    }
    if (level + 1 == kLevels) break;
    count.scale(1 / kResample, 1);
    count.conv(channels, channels, 9, kResample * kResample);
    if (!vae::encoder_halves_time(level)) continue;
    count.scale_time(1 / kResample);
    count.conv(channels, channels, 3);
  }
  count.middle(channels);
  count.conv(channels, 2 * real(w.latent), 27);
  count.conv(2 * real(w.latent), 2 * real(w.latent), 1);
  return count;
}

}  // namespace

double dit_ends_cost(const DitConfig& c, int64_t tokens) {
  return 2 * real(c.patch.positions()) * real(tokens) * real(c.dim) * (real(c.in_dim) + real(c.out_dim));
}

DitCost dit_cost(const DitConfig& c, int64_t tokens, int64_t added) {
  const double s = real(tokens + added), d = real(c.dim), layers = real(c.num_layers);
  DitCost cost;
  // Four self-attention and two cross-attention projections of d x d, and the feed-forward.
  cost.gemm = layers * s * (12 * d * d + 4 * d * real(c.ffn_dim)) + dit_ends_cost(c, tokens);
  cost.self_attention = layers * 4 * s * s * d;
  cost.cross_attention = layers * 4 * s * real(c.text_len) * d;
  // Injected sound: queries and outputs of the latent's tokens.
  const double injected = real(c.speech.injected) * real(tokens);
  cost.gemm += injected * 4 * d * d;
  cost.cross_attention += injected * 4 * real(c.speech.audio_tokens + 1) * d;
  const double faces = real(c.animate.face_blocks);
  if (faces > 0) {
    cost.gemm += faces * s * 4 * d * d + 2 * s * d * real(c.out_dim * c.patch.positions());
    cost.cross_attention +=
        layers * 4 * s * real(AnimateConfig::kImageTokens) * d + faces * 4 * s * real(c.animate.face_tokens + 1) * d;
  }
  return cost;
}

double text_encoder_cost(const TextEncoderConfig& c, int64_t tokens) {
  const double n = real(tokens);
  return real(c.num_layers) * (8 * n * real(c.dim) * real(c.dim_attention) + 4 * n * n * real(c.dim_attention) +
                               6 * n * real(c.dim) * real(c.dim_ffn));
}

double audio_encoder_cost(const AudioEncoderConfig& c, int64_t samples) {
  double flops = 0;
  int64_t width = 1, frames = samples;
  for (const AudioEncoderConfig::Conv& conv : c.convs) {
    frames = (frames - conv.kernel) / conv.stride + 1;
    flops += 2 * real(frames) * real(conv.width) * real(width) * real(conv.kernel);
    width = conv.width;
  }
  const double n = real(frames), d = real(c.dim);
  flops += 2 * n * d * (real(width) + d / real(c.position_groups) * real(c.position_kernel));
  return flops + real(c.num_layers) * (n * (8 * d * d + 4 * d * real(c.dim_ffn)) + 4 * n * n * d);
}

double motion_encoder_cost(const AnimateConfig& a) {
  constexpr double kColours = 3, kPlainTaps = 9, kHalvingTaps = 36, kSkipTaps = 16;  // with the blur ahead of them
  constexpr double kShrunk = 4;                                                      // positions that become one
  double positions = real(a.face_side()) * real(a.face_side()), width = real(a.level_widths[0]);
  double products = positions * kColours * width;
  for (size_t i = 1; i <= static_cast<size_t>(a.levels); ++i) {
    const double next = real(a.level_widths[i]);
    products += positions * width * width * kPlainTaps;
    positions /= kShrunk;
    products += positions * width * next * (kHalvingTaps + kSkipTaps);
    width = next;
  }
  products += real(a.motion_dim) * (positions * width + 2 * real(a.motion_codes));
  return 2 * products;
}

double image_encoder_cost(const ImageEncoderConfig& c) {
  const double n = real(c.tokens()), d = real(c.dim), values = 3 * real(c.patch * c.patch);
  return 2 * (n - 1) * values * d + real(c.num_layers) * (n * (8 * d * d + 4 * d * real(c.dim_ffn)) + 4 * n * n * d);
}

double vae_decode_cost(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height, int64_t width) {
  return count_decoding(config, file, frames, height, width).total();
}

double vae_encode_cost(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height, int64_t width) {
  return count_encoding(config, file, frames, height, width).total();
}

double vae_decode_values(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height,
                         int64_t width) {
  return count_decoding(config, file, frames, height, width).values();
}

double vae_encode_values(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height,
                         int64_t width) {
  return count_encoding(config, file, frames, height, width).values();
}

}  // namespace wan
