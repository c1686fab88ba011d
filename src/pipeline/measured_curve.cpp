#include "pipeline/measured_curve.h"

#include <fmt/format.h>

#include "base/build_info.h"
#include "base/error.h"
#include "base/flags.h"
#include "pipeline/request_words.h"

namespace wan {
namespace {

/// What is published for the 5B and T2V-A14B but for the latter's larger retention.
constexpr ReuseSettings kUsual{0.06, 2, 0.2};

void require_ratios(const Plan& plan, const MagnitudeRatios& ratios) {
  for (int step = 1; step < plan.steps; ++step) {
    if (plan.expert_of(step) != plan.expert_of(step - 1)) continue;
    const auto i = static_cast<size_t>(step);
    const bool has_uncond = plan.forwards[i].uncond == Forward::kComputed;
    require(ratios.cond[i] && (!has_uncond || ratios.uncond[i]),
            fmt::format("step {}: the blocks added nothing, or nothing finite, to their input: no curve can be made of "
                        "this video",
                        step + 1),
            ErrorKind::kRuntime);
  }
}

}  // namespace

CacheCurve measured_curve(const Plan& plan, const MagnitudeRatios& ratios) {
  require_ratios(plan, ratios);
  const BuildInfo& build = build_info();
  CacheCurve curve;
  curve.model = plan.model;
  curve.from_image = plan.from_image;
  curve.shift = plan.shift;
  curve.solver = plan.solver;
  curve.low_noise_from_step = plan.low_noise_from_step();
  curve.settings = kUsual;
  curve.ratios = ratios;
  curve.source = {
      {"program", fmt::format("wanbench {} {}{}", build.version, build.revision, build.dirty ? ", changed" : "")},
      {"device", plan.device_name},
      {"computed_in", std::string(enum_name(precision_of(plan.compute)))},
      {"recipe", std::string(plan.recipe->name)},
      {"size", fmt::format("{}x{}, {} frames", plan.width, plan.height, plan.num_frames)},
      {"guidance", plan.variant->experts.size() > 1 ? fmt::format("{}, {}", plan.guidance_high, plan.guidance_low)
                                                    : fmt::format("{}", plan.guidance_low)},
      {"seed", fmt::format("{}", plan.seed)},
      {"prompt", plan.prompt.substr(0, 1000)},
  };
  return curve;
}

}  // namespace wan
