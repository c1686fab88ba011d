// Timing of device work for the microbenchmarks: medians with their spread, and table rows against measured ceilings.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/cuda/cuda_backend.h"

namespace wan::bench {

struct Times {
  double median_us = 0;
  double low_us = 0, high_us = 0;  // 10th and 90th percentile
  int runs = 0;
};

/// What one call does, at the fewest bytes possible: each input read once, each output written once.
struct Cost {
  double bytes = 0;
  double operations = 0;
};

/// Runs `call` back to back for about `seconds` after a warm-up, an event between any two.
Times time_calls(cuda::CudaBackend& backend, double seconds, const std::function<void()>& call);

Times summary(std::vector<double> times_us);

/// What this card reaches here and now; the tables' 100 %.
struct Ceilings {
  double bytes_per_second = 0;       // a 2 GiB device copy, bytes read plus bytes written
  double operations_per_second = 0;  // an 8192 cubed bf16 product on random data
};
Ceilings measure_ceilings(cuda::CudaBackend& backend);

void print_header();
/// One line: name, time, spread, bytes, TB/s or TFLOP/s, share of the ceiling.
void print_row(const std::string& name, const Times& times, const Cost& cost, const Ceilings& ceilings);

/// Random values of standard deviation 1 on the device.
Tensor random_tensor(cuda::CudaBackend& backend, DType dtype, const Shape& shape);

}  // namespace wan::bench
