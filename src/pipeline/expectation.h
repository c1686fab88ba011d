// What a request will take, said before its work begins: time from the operations it has and a trial of the device,
// memory from the plan.
#pragma once

#include <cstdint>
#include <string>

namespace wan {

/// Seconds of each part. Reading the weights is not in it: a disk's speed is not known ahead.
struct ExpectedTime {
  double text_s = 0;
  double step_s = 0;     // one denoising step, with one branch or both; the mean where they differ
  double denoise_s = 0;  // all of them
  double vae_s = 0;      // decoding, and encoding of an image

  double total_s() const { return text_s + denoise_s + vae_s; }
};

struct Expectation {
  int64_t width = 0, height = 0, num_frames = 0;  // with every default filled in
  int steps = 0;
  std::string recipe;  // of the table in recipe.h
  ExpectedTime time;
  double product_rate = 0;  // of a trial matrix product on the device, operations a second
  std::string device_kind;  // "cpu" or "cuda"
  uint64_t peak_bytes = 0;  // of device memory; of host memory on the CPU

  /// What the time was computed from, for people.
  std::string time_basis() const;
};

}  // namespace wan
