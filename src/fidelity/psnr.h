// Peak signal-to-noise ratio of 8-bit pictures.
#pragma once

#include <cstdint>
#include <span>

#include "fidelity/score.h"

namespace wan {

/// Mean of (a - b)^2 over all bytes. Both of one size, not empty.
double mean_squared_error(std::span<const uint8_t> a, std::span<const uint8_t> b);

/// Mean of ((a - a_before) - (b - b_before))^2: how differently two videos change from a frame to the next.
double mean_squared_change(std::span<const uint8_t> a_before, std::span<const uint8_t> a,
                           std::span<const uint8_t> b_before, std::span<const uint8_t> b);

/// 10 log10(255^2 / error) in dB; of no error it is infinite, and absent with the reason `identical`.
Score psnr_of(double mean_squared_error);

}  // namespace wan
