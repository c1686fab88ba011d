// How far the latents of two runs are apart, step by step.
#pragma once

#include <filesystem>
#include <vector>

#include "fidelity/score.h"

namespace wan {

class TensorFile;

struct LatentStep {
  int step = 0;       // from 0
  Score relative_l2;  // |test - reference| / |reference|
  Score cosine;       // of the angle between both
};

/// `step<i>.sample_out` of two files that `generate --dump` wrote, F32, in order; of `--dump-level latent` that of the
/// last step. Sums are in double. Throws
/// Error(kInput) naming the file that has no step, or one that is no contiguous F32; Error(kNotComparable) when the
/// steps or their shapes differ.
std::vector<LatentStep> compare_latents(const TensorFile& reference, const TensorFile& test);
/// The same of files that are opened for it; also throws what TensorFile::open does.
std::vector<LatentStep> compare_latents(const std::filesystem::path& reference, const std::filesystem::path& test);

}  // namespace wan
