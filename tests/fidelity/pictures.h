// Made pictures.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "io/image.h"

namespace wan::test {

inline Image grey(int width, int height, uint8_t value) {
  Image image{width, height, {}};
  image.rgb.assign(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, value);
  return image;
}

/// Normal noise of standard deviation `sigma`, rounded; of mid-grey nothing is cut off.
inline Image with_noise(Image image, double sigma, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, sigma);
  for (uint8_t& byte : image.rgb)
    byte = static_cast<uint8_t>(std::clamp(std::round(byte + normal(random)), 0.0, 255.0));
  return image;
}

}  // namespace wan::test
