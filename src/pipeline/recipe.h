// Ways to sample, one row each: schedule, solver, steps, shift, guidance and where the second expert begins, as the
// authors of a model state them. Whoever names a recipe may give any part another value (sampling.h).
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/solver.h"
#include "model/variant.h"
#include "pipeline/recipe_names.h"
#include "sampler/latent_noise.h"
#include "sampler/schedule.h"

namespace wan {

/// What makes the noise levels and timesteps (sampler/schedule.h, sampler/few_steps.h).
enum class ScheduleKind { kOfficial, kEven, kList, kNearest, kTangent };

struct Recipe {
  std::string_view name;   // in options, suites and records; a name has a row for each way it differs between models
  std::string_view title;  // for people
  std::string_view source;
  std::span<const std::string_view> tasks;  // of the models it is for (Variant::task); empty: of every model
  Presence image = Presence::kOptional;     // kNever: its authors state it for text alone
  ScheduleKind schedule = ScheduleKind::kOfficial;
  Solver solver = Solver::kUniPC;
  std::span<const int> timesteps{};  // of kList and kNearest
  double sigma_max = 0;              // of kTangent
  int steps = 0;                     // 0: the model's own
  int least_steps = 1, most_steps = kMaxSteps;
  std::optional<double> shift{};     // nullopt: the model's own, and of kTangent none
  std::optional<double> guidance{};  // of both experts; nullopt: the model's own
  std::optional<int> split_step{};   // first step of the low-noise expert; nullopt: by the model's boundary
  DrawOrder draws = DrawOrder::kChannelsFirst;

  bool fits(const Variant& variant) const;
  bool has_shift() const { return schedule != ScheduleKind::kTangent; }
  /// `solver` matters to kOfficial alone, `shift` where there is one. Throws Error(kUsage) for what makes no schedule.
  Schedule make_schedule(Solver solver, int steps, double shift) const;
};

/// In the order they are named to people; the official one first.
std::span<const Recipe> recipes();

/// "official, lightning-4, ... or ...": of those for a model.
std::string recipe_names_text(const Variant& variant);

/// The recipe of a distilled model that a file's name speaks of ("..._lightx2v_4step.safetensors"), for a line that
/// people are told to type; nothing is sampled by it. Empty: the name speaks of none that is for the model.
std::string_view recipe_by_name(const std::filesystem::path& file, const Variant& variant);

/// The row of `name`, or of the official recipe where it is empty, for a model, with or without a first frame. Throws
/// Error(kUsage) for an unknown name, and for a recipe of other models or of text alone, naming what fits.
const Recipe& recipe_for(std::string_view name, const Variant& variant, bool from_image);

}  // namespace wan
