#include "io/sound.h"

namespace wan {

std::vector<float> to_mono(const Sound& sound) {
  std::vector<float> mono;
  mono.reserve(static_cast<size_t>(sound.frames()));
  const auto channels = static_cast<size_t>(sound.channels);
  for (size_t first = 0; first + channels <= sound.samples.size(); first += channels) {
    double sum = 0;
    for (size_t channel = 0; channel < channels; ++channel) sum += sound.samples[first + channel];
    mono.push_back(static_cast<float>(sum / static_cast<double>(channels)));
  }
  return mono;
}

}  // namespace wan
