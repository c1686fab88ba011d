#include "pipeline/reuse.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/flags.h"
#include "pipeline/cache_curve.h"
#include "pipeline/request_words.h"

namespace wan {
namespace {

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

/// What each step is, for the schedule; `experts`: names of those whose steps may be reused, all where it is empty.
std::vector<StepFacts> facts_of(const Plan& plan, const std::vector<std::string>& experts = {}) {
  std::vector<StepFacts> facts;
  for (int step = 0; step < plan.steps; ++step) {
    const size_t expert = plan.expert_of(step);
    const std::string_view name = plan.variant->experts[expert].name;
    const bool may_reuse = experts.empty() || std::find(experts.begin(), experts.end(), name) != experts.end();
    facts.push_back({expert, plan.is_guided(step), may_reuse});
  }
  return facts;
}

const char* begin_text(bool from_image) { return from_image ? "that begin with an image" : "of text alone"; }

std::string how_to_make_one() {
  return fmt::format("`wanbench calibrate-cache` makes one of a video, for {}", flags::kCacheCurve);
}

/// The curve of the request, or the one that comes with the program.
CacheCurve curve_for(const Request& request, const Plan& plan) {
  if (request.cache_curve.empty()) {
    std::optional<CacheCurve> builtin = builtin_curve(plan.model, plan.from_image);
    require_usage(builtin.has_value(), fmt::format("{} {}: no curve comes with the program for {} and videos {}: {}",
                                                   flags::kStepCache, enum_name(StepCache::kMagCache), plan.model,
                                                   begin_text(plan.from_image), how_to_make_one()));
    return *builtin;
  }
  CacheCurve curve = read_cache_curve(request.cache_curve);
  require(curve.model == plan.model && curve.from_image == plan.from_image,
          fmt::format("{}: is the curve of {} and videos {}, and this is one of {} {}: {}",
                      request.cache_curve.string(), curve.model, begin_text(curve.from_image), plan.model,
                      begin_text(plan.from_image), how_to_make_one()),
          ErrorKind::kInput);
  return curve;
}

/// Options that belong to a way of reuse that is not asked for.
void refuse_idle_options(const Request& request, StepCache method) {
  const auto refuse = [&](const char* flag, bool is_given, const char* needs) {
    require_usage(!is_given,
                  fmt::format("{} is of {} {}: leave it out, or ask for that", flag, flags::kStepCache, needs));
  };
  const bool by_curve = method == StepCache::kMagCache, is_off = method == StepCache::kOff;
  refuse(flags::kCacheThreshold, is_off && request.cache_threshold.has_value(), "magcache or easycache");
  refuse(flags::kCacheRetention, is_off && request.cache_retention.has_value(), "magcache or easycache");
  refuse(flags::kCacheMaxSkips, !by_curve && request.cache_max_skips.has_value(), "magcache");
  refuse(flags::kCacheCurve, !by_curve && !request.cache_curve.empty(), "magcache");
}

/// "the curve was made for 50 steps and shift 5, and this video has 40 and 8": of what differs. A curve that does not
/// say its shift is taken to be of the video's.
std::string curve_remark(const CacheCurve& curve, const Plan& plan) {
  std::vector<std::string> its, here;
  const auto compare = [&](const std::string& of_curve, const std::string& of_video) {
    if (of_curve == of_video) return;
    its.push_back(of_curve);
    here.push_back(of_video);
  };
  compare(fmt::format("{} steps", curve.ratios.steps()), fmt::format("{} steps", plan.steps));
  if (curve.shift)
    compare(fmt::format("shift {:g}", *curve.shift), plan.shift ? fmt::format("shift {:g}", *plan.shift) : "no shift");
  compare(std::string(enum_name(curve.solver)), std::string(enum_name(plan.solver)));
  if (its.empty()) return "";
  return fmt::format(
      "the curve was made for {}, and this video has {}: `wanbench calibrate-cache` makes one of its own",
      fmt::join(its, ", "), fmt::join(here, ", "));
}

void plan_magcache(const Request& request, Plan& plan) {
  const CacheCurve curve = curve_for(request, plan);
  StepCachePlan& cache = plan.step_cache;
  cache.settings.threshold = request.cache_threshold.value_or(curve.settings.threshold);
  cache.settings.max_skips = request.cache_max_skips.value_or(curve.settings.max_skips);
  cache.settings.retention = request.cache_retention.value_or(curve.settings.retention);
  cache.curve_sha256 = curve.sha256;
  cache.curve_steps = curve.ratios.steps();
  cache.curve_remark = curve_remark(curve, plan);
  const std::vector<StepFacts> facts = facts_of(plan, curve.experts);
  reuse_by_magnitude(facts, at_steps(curve.ratios, facts.size()), cache.settings, plan.forwards);
}

void plan_easycache(const Request& request, Plan& plan) {
  ReuseSettings& settings = plan.step_cache.settings;
  settings.threshold = request.cache_threshold.value_or(kEasyCacheThreshold);
  settings.retention = request.cache_retention.value_or(kEasyCacheRetention);
  if (settings.threshold > 0) leave_open(facts_of(plan), settings.retention, plan.forwards);
}

void plan_gate(const Request& request, Plan& plan) {
  if (!request.cfg_gate) return;
  require_usage(plan.uses_negative_prompt(),
                fmt::format("{}: no step of this video is guided (guidance 1), so there is no forward to leave out: "
                            "leave it out",
                            flags::kCfgGate));
  require_usage(plan.steps >= kLeastReusingSteps,
                fmt::format("{}: {} steps are too far apart to take a difference from one another: leave it out, or "
                            "take {} steps or more",
                            flags::kCfgGate, plan.steps, kLeastReusingSteps));
  plan.cfg_gate_step = static_cast<int>(std::ceil(*request.cfg_gate * plan.steps));
  gate_guidance(facts_of(plan), *plan.cfg_gate_step, plan.forwards);
}

}  // namespace

void choose_reuse(const Request& request, Plan& plan) {
  const StepCache method = request.step_cache.value_or(StepCache::kOff);
  plan.step_cache.method = method;
  plan.takes_magnitudes = !request.curve.empty();
  plan.forwards = exact_forwards(facts_of(plan));
  refuse_idle_options(request, method);
  require_usage(!plan.takes_magnitudes || (method == StepCache::kOff && !request.cfg_gate),
                fmt::format("a curve is made of a video that reuses nothing: leave out {} and {}", flags::kStepCache,
                            flags::kCfgGate));
  require_usage(method == StepCache::kOff || plan.steps >= kLeastReusingSteps,
                fmt::format("{} {}: {} steps are too far apart to reuse one another: leave it out, or take {} steps or "
                            "more",
                            flags::kStepCache, enum_name(method), plan.steps, kLeastReusingSteps));
  plan_gate(request, plan);
  if (method == StepCache::kMagCache) plan_magcache(request, plan);
  if (method == StepCache::kEasyCache) plan_easycache(request, plan);
}

}  // namespace wan
