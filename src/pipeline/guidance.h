// Guidance in its two spellings. By scale, as diffusers has it: guidance_scale is that of the high-noise expert or of
// the only model, guidance_scale_2 that of the low-noise expert and by default the same. By expert, as this program had
// it first: guidance_low is that of the low-noise expert or of the only model, guidance_high that of the high-noise
// expert and by default the same; a model without experts leaves it alone. Records, keys of cases and the mp4's comment
// keep the first names.
#pragma once

#include <optional>
#include <span>

#include "model/variant.h"
#include "pipeline/request.h"

namespace wan {

struct Guidance {
  double low = 0;   // low-noise expert, or the only model
  double high = 0;  // high-noise expert
};

/// What a model of these experts is guided with; where nothing is said, by the recipe's scale `of_recipe`, else by
/// their own defaults. Throws Error(kUsage) for a guidance_scale_2 of one expert, and for both spellings in one
/// request.
Guidance choose_guidance(const Request& request, std::span<const ExpertSpec> experts,
                         std::optional<double> of_recipe = {});

/// Whether both spellings are used, which nobody can have meant.
bool mixes_spellings(const Request& request);
inline constexpr const char* kMixedSpellings =
    "guidance is given in two spellings: use guidance_scale (high noise, or the only model) and guidance_scale_2 (low "
    "noise), or the older guidance_low and guidance_high, not both; a suite's defaults count for each of its cases";

/// The same request by expert wherever that says the same for every model: the form whose text makes the key of a case.
/// guidance_scale_2 alone has no such form and stays.
Request by_expert(Request request);

/// The same request with every value under both of its names, for those who want one or the other.
Request in_both_spellings(Request request);

}  // namespace wan
