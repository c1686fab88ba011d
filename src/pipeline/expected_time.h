// The arithmetic of an expectation. Private to pipeline/.
#pragma once

#include <string_view>

#include "backend/backend.h"
#include "pipeline/expectation.h"
#include "pipeline/plan.h"

namespace wan {

/// Floating-point operations of one video by their kind.
struct VideoWork {
  double text = 0;            // encoding the prompts, whose tokens are guessed from their bytes
  double step_products = 0;   // of one denoising step and one rank, the mean over steps of one branch and of two
  double step_attention = 0;  // the same
  double vae = 0;             // decoding, and encoding of an image, of one rank
  int steps = 0;
};

VideoWork work_of(const ModelSet& models, const Plan& plan);

/// What attention and convolutions reach of the rate of a large matrix product; `device_kind` as DeviceInfo::kind.
struct RateShares {
  double attention = 1, convolution = 1;
};
RateShares shares_of(std::string_view device_kind);

ExpectedTime expected_time(const VideoWork& work, double product_rate, const RateShares& shares);

/// Operations a second of a matrix product of the model's width on random data: the median of a few, after one that
/// does not count.
double measure_product_rate(Backend& backend, const DitConfig& dit, DType compute, int64_t tokens);

}  // namespace wan
