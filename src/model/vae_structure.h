// Which tensors a VAE has: widths, names and shapes. Private to model/.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "model/vae.h"

namespace wan::vae {

inline constexpr int kLevels = 4;
/// What resampling between two levels multiplies or divides a side by, and the frames where it changes them.
inline constexpr int64_t kResample = 2;
inline constexpr int kEncoderResiduals = 2;
inline constexpr int kDecoderResiduals = 3;

/// Channels of the network; a level's input is the output of the one before.
struct Widths {
  int64_t latent = 0;
  int64_t encoder_in = 0;                  // encoder.conv1
  std::array<int64_t, kLevels> encoder{};  // each level's residual blocks
  int64_t decoder_in = 0;                  // decoder.conv1
  std::array<int64_t, kLevels> decoder{};
};

Widths published_widths(VaeVersion version);
Widths read_widths(VaeVersion version, const WeightFile& file);
/// `rows` tells the rows of the convolution of a name, which has no ".weight".
Widths read_widths(VaeVersion version, const std::function<int64_t(const std::string& name)>& rows);
std::vector<WeightPart> expected_parts(VaeVersion version, const Widths& widths);

/// Prefix of residual block `block` of a level, and of the level's resampling module.
std::string encoder_block(VaeVersion version, int level, int block);
std::string encoder_resample(VaeVersion version, int level);
std::string decoder_block(VaeVersion version, int level, int block);
std::string decoder_resample(VaeVersion version, int level);
/// Levels that also change the number of frames.
inline bool encoder_halves_time(int level) { return level == 1 || level == 2; }
inline bool decoder_doubles_time(int level) { return level == 0 || level == 1; }

}  // namespace wan::vae
