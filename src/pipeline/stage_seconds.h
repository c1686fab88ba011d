// Seconds of a video's stages on a card that others were measured on: each stage's work by its kinds, times what a unit
// of it cost there. Arithmetic alone: no device, and nothing of cards that have no records.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/stage.h"
#include "pipeline/plan.h"

namespace wan {

/// What a stage's seconds are in proportion to: one or two kinds of work each, in this order.
struct StageWork {
  std::vector<double> text;                // bytes of the text encoder's weights, made on the card
  std::vector<double> image;               // pixels that go to the card, beside
  std::vector<double> image_convolutions;  // the encoder's, of the kinds of `decode`
  std::vector<double> step;                // operations of matrix products, of attention: means over the steps
  std::vector<double> copy;                // bytes of the blocks that a step's passes need, where they are streamed
  std::vector<double> decode;              // operations of convolutions, values that they read and write
};

StageWork stage_work(const ModelSet& models, const Plan& plan);

/// A video that was measured: its work, and seconds of the stages that were seen by themselves.
struct MeasuredVideo {
  StageWork work;
  std::optional<double> text_s, image_s, step_s, copy_s, decode_s;
};

/// What a unit of each kind of a stage's work costs: least squares of the relative errors over the videos that have it.
struct StageFit {
  std::vector<double> costs;                    // in seconds; empty: too few videos
  std::vector<std::optional<double>> errors;    // of each video: predicted / measured - 1; nothing where it has none
  std::vector<std::optional<double>> left_out;  // the same, fitted without that video; nothing where that cannot be

  bool is_known() const { return !costs.empty(); }
  double seconds(const std::vector<double>& work) const;
};

struct StageFits {
  StageFit text, image, step, copy, decode;
};

StageFits fit_stages(std::span<const MeasuredVideo> videos);

/// A stage's seconds, or why they are not known.
struct ExpectedStage {
  StageRole role = StageRole::kOther;
  std::optional<double> seconds;  // of a step: the mean over all
  std::string reason;
};

/// Loading, text encoding, image encoding where there is an image, a step, decoding. `memory` decides where weights
/// are.
std::vector<ExpectedStage> expected_stages(const ModelSet& models, const Plan& plan, const MemoryPlan& memory,
                                           const StageFits& fits);

}  // namespace wan
