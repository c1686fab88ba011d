// Which of a video's forwards are computed and which reuse what an earlier step computed. Pure: the plan of a run and
// the run itself ask the same function, so that what is planned is what is done.
// Sources: MagCache (arXiv 2506.09045), its rule in Zehong-Ma/MagCache MagCache4Wan2.2/magcache_generate.py; the
// guidance gate as FastVideo PR 1372 has it. What differs from them is said where it does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace wan {

/// Steps below which none are reused: neighbours are then too far apart, and nothing is published.
inline constexpr int kLeastReusingSteps = 10;

/// What becomes of one branch's forward in one step.
enum class Forward : uint8_t {
  kNone,      // there is none: the step is not guided
  kComputed,  // through all blocks
  kReused,    // from what an earlier step of the same expert and branch computed
  kGated,     // of the negative prompt: the step takes the guidance's difference of an earlier one
  kOpen,      // computed or reused, which is decided while the video is made
};

/// 'C', 'r', 'g', '?'; '-' where there is none.
char letter_of(Forward forward);

/// One step: the positive prompt's forward, and the negative one's.
struct StepForwards {
  Forward cond = Forward::kComputed;
  Forward uncond = Forward::kNone;
  bool operator==(const StepForwards&) const = default;
};

/// What the schedule has to know of a step.
struct StepFacts {
  size_t expert = 0;      // that runs it; the steps of one follow one another: a phase
  bool is_guided = true;  // has a negative prompt's forward
  bool may_reuse = true;  // the expert is one whose steps may be reused
};

/// Magnitudes of what the blocks add, each step's over the one before: the mean over tokens. Nothing where there is no
/// such ratio: in the first step, and of a branch that was not run.
struct MagnitudeRatios {
  std::vector<std::optional<double>> cond, uncond;  // one a step
  size_t steps() const { return cond.size(); }
  bool operator==(const MagnitudeRatios&) const = default;
};

/// The same for another number of steps: of each step the nearest, halves to the even one, as the published code does.
/// A ratio over a longer stride is not what that gives; a curve made for the number of steps is better.
MagnitudeRatios at_steps(const MagnitudeRatios& ratios, size_t steps);

struct ReuseSettings {
  double threshold = 0;  // sum of estimated errors below which steps are reused
  int max_skips = 0;     // steps in a row that are reused, at most
  double retention = 0;  // share of each phase that is computed at its beginning, rounded up; at least its first step
  bool operator==(const ReuseSettings&) const = default;
};

/// All computed.
std::vector<StepForwards> exact_forwards(std::span<const StepFacts> steps);

/// Negative prompts' forwards from step `first` on become kGated, but for the first guided one of each phase: a
/// difference is of one expert.
void gate_guidance(std::span<const StepFacts> steps, int first, std::vector<StepForwards>& forwards);

/// The forwards of the steps that MagCache reuses become kReused, those of a step together: the larger of the branches'
/// errors decides. A phase begins anew: nothing is known of the one before. The last step is always computed. What a
/// ratio is missing for is computed. `ratios` has as many steps. The published rule differs: it decides each branch for
/// itself, counts the share of a phase in forwards and rounds it down, takes the sums across a change of experts, and
/// may reuse the last step.
void reuse_by_magnitude(std::span<const StepFacts> steps, const MagnitudeRatios& ratios, const ReuseSettings& settings,
                        std::vector<StepForwards>& forwards);

/// Those of the steps that may be reused become kOpen: where neither the phase's beginning nor its being the last step
/// says that they are computed.
void leave_open(std::span<const StepFacts> steps, double retention, std::vector<StepForwards>& forwards);

/// How many are of a kind, in both branches.
int count_of(std::span<const StepForwards> forwards, Forward kind);

/// A letter a step, of each branch.
std::string letters_of_cond(std::span<const StepForwards> forwards);
std::string letters_of_uncond(std::span<const StepForwards> forwards);

}  // namespace wan
