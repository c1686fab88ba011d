// What a setting changed in the picture: how far its video, its latents and its velocities are from those of a
// reference. Plain data, of a run that was made for it; docs/method.md says what each number is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/measured.h"
#include "results/precision_class.h"

namespace wan {

/// One metric of the frames: psnr, ssim, ms_ssim, flip, difference_psnr.
struct FidelityScore {
  std::string metric;
  Measured<double> mean, worst;        // of all frames, and of the worst one; dB for psnr, difference_psnr
  std::optional<int64_t> worst_frame;  // from 0
  bool operator==(const FidelityScore&) const = default;
};

/// How far a tensor of one step is from the reference's.
struct StepDistance {
  int64_t step = 0;  // from 0
  Measured<double> relative_l2, cosine;
  bool operator==(const StepDistance&) const = default;
};

/// One setting against another.
struct FidelityComparison {
  std::string reference, test;  // what each is: "fp32", "bf16", "bf16, no kernel table", or a case's name
  std::string reference_key;    // of the reference's request, as a case's
  PrecisionClass reference_class = PrecisionClass::kUnknown;
  std::string reference_recipe;
  std::string reference_sha256, test_sha256;  // of the RGB frames in order; empty: not made by this program
  std::optional<int64_t> frames;
  bool identical = false;       // every byte of every frame
  bool includes_codec = false;  // a side's frames went through a video encoder
  std::string why_no_scores;    // empty: there are some
  std::vector<FidelityScore> scores;
  std::string why_no_latents;
  std::vector<StepDistance> latents;  // as each step leaves them
  std::string why_not_replayed;
  std::vector<StepDistance> replayed;  // guided velocities of steps that began with the reference's latents
  bool operator==(const FidelityComparison&) const = default;
};

/// One frame of both videos and what differs, PNG files relative to the results folder.
struct FidelityStill {
  int64_t frame = 0;  // from 0
  std::string reference, test, difference;
  bool operator==(const FidelityStill&) const = default;
};

struct FidelityRecord {
  FidelityComparison comparison;
  /// That the class promises of a replayed velocity's relative L2; empty: it promises nothing, or not of this
  /// reference.
  std::optional<double> velocity_bound;
  /// What no setting is asked to be better than: the reference's own setting against fp32, and with other kernels.
  std::vector<FidelityComparison> noise_floor;
  std::string why_no_noise_floor;  // empty: there is one
  std::optional<FidelityStill> still;
  bool operator==(const FidelityRecord&) const = default;
};

/// The replayed step that is furthest off, or nullptr.
const StepDistance* worst_replayed(const FidelityComparison& comparison);

/// The score of that metric, or nullptr.
const FidelityScore* find_score(const FidelityComparison& comparison, std::string_view metric);

}  // namespace wan
