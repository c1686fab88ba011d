#include "suite/ablation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/hash.h"
#include "pipeline/decisions.h"
#include "pipeline/request_options.h"
#include "pipeline/request_text.h"
#include "results/store.h"
#include "suite/decided.h"

namespace wan::suite {
namespace {

using Change = std::function<void(Request&)>;

/// One arm as a lever proposes it.
struct Proposal {
  std::string name;
  Change change;
  std::string why_not = {};  // known without asking the engine; empty: it decides
  std::string setting = {};  // in words; empty: the options that differ
};

/// What levers look at.
struct Base {
  const Request& request;
  const Decisions& decisions;
  const AblationOptions& options;
  bool on_cpu() const { return request.device == "cpu"; }
};

std::vector<Proposal> reuse_arms(const Base& base) {
  const auto by_curve = [curve = base.options.cache_curve](Request& request) {
    request.step_cache = StepCache::kMagCache;
    if (!curve.empty()) request.cache_curve = curve;
  };
  Request published = base.request;
  by_curve(published);
  double threshold = 0;
  int skips = 0;
  std::string why_not;
  try {
    const std::optional<Decisions::Reuse> settings = decide(published).step_cache;
    threshold = settings ? settings->threshold : 0;
    skips = settings ? settings->max_skips.value_or(0) : 0;
  } catch (const Error& problem) {
    why_not = problem.what();
  }
  const auto tighter = [=](Request& request) {
    by_curve(request);
    if (why_not.empty()) request.cache_threshold = threshold / 2;
  };
  const auto looser = [=](Request& request) {
    by_curve(request);
    if (why_not.empty()) request.cache_threshold = threshold * 2;
    if (why_not.empty()) request.cache_max_skips = std::clamp(skips * 2, kCacheSkips.least, kCacheSkips.most);
  };
  std::vector<Proposal> arms{
      {"magcache", by_curve}, {"magcache-tight", tighter, why_not}, {"magcache-loose", looser, why_not}};
  arms.push_back({"easycache", [](Request& request) { request.step_cache = StepCache::kEasyCache; }});
  return arms;
}

std::vector<Proposal> gate_arms(const Base&) {
  std::vector<Proposal> arms;
  for (const double share : {0.5, 0.75})
    arms.push_back({fmt::format("cfg-gate-{:g}", share), [=](Request& request) { request.cfg_gate = share; }});
  return arms;
}

std::vector<Proposal> residency_arms(const Base& base) {
  if (base.on_cpu()) return {{"offload", {}, "on a CPU the weights are where they are computed: nothing to move"}};
  std::vector<Proposal> arms;
  for (const Residency residency :
       {Residency::kResident, Residency::kPacked, Residency::kStream, Residency::kPackedStream, Residency::kMapped}) {
    if (base.options.residency == residency) continue;
    const Offload offload = offload_of(residency);
    std::string why_not;
    if (is_packed(residency) && !base.decisions.stored_small)
      why_not = "the weights' file has no smaller form than what is computed in";
    if (residency == Residency::kMapped && base.request.random_weights) why_not = "random weights have no file to map";
    arms.push_back({fmt::format("offload-{}", enum_name(offload)), [=](Request& request) { request.offload = offload; },
                    std::move(why_not)});
  }
  return arms;
}

std::vector<Proposal> vae_precision_arms(const Base& base) {
  const Precision other = base.decisions.computed.at("vae") == Precision::kF32 ? Precision::kBF16 : Precision::kF32;
  return {{fmt::format("vae-{}", enum_name(other)), [=](Request& request) { request.vae_precision = other; }, {}}};
}

std::vector<Proposal> vae_chunk_arms(const Base& base) {
  std::vector<Proposal> arms;
  for (const int64_t chunk : {1, 2, 4, 8}) {
    if (chunk == std::max<int64_t>(base.request.vae_chunk, 1)) continue;
    const std::string why_not = chunk * 4 > base.decisions.num_frames + 3 ? "the video has fewer latent frames" : "";
    arms.push_back({fmt::format("vae-chunk-{}", chunk), [=](Request& request) { request.vae_chunk = chunk; }, why_not});
  }
  return arms;
}

std::vector<Proposal> solver_arms(const Base& base) {
  std::vector<Proposal> arms;
  for (const Solver solver : {Solver::kUniPC, Solver::kDpmPlusPlus, Solver::kEuler})
    if (solver != base.decisions.solver)
      arms.push_back({fmt::format("solver-{}", enum_name(solver)), [=](Request& request) { request.solver = solver; }});
  return arms;
}

std::vector<Proposal> steps_arms(const Base& base) {
  std::vector<Proposal> arms;
  int before = base.decisions.steps;
  for (const double share : {0.8, 0.5}) {
    const int steps = static_cast<int>(std::lround(share * base.decisions.steps));
    if (steps < 1 || steps == before) continue;
    before = steps;
    arms.push_back({fmt::format("steps-{}", steps), [=](Request& request) { request.steps = steps; }});
  }
  return arms;
}

/// With nothing left of how the case is sampled: a recipe says all of it.
void take_recipe(Request& request, const std::string& recipe) {
  request.recipe = recipe;
  request.steps = 0;
  request.shift.reset();
  request.guidance_scale.reset();
  request.guidance_scale_2.reset();
  request.guidance_low.reset();
  request.guidance_high.reset();
  request.boundary.reset();
  request.split_step.reset();
  request.solver.reset();
}

std::vector<Proposal> recipe_arms(const Base& base) {
  const Request& request = base.request;
  const bool is_distilled = !is_official(base.decisions.recipe) || !request.lora.empty() ||
                            !request.lora_high.empty() || !request.lora_low.empty() || request.random_weights;
  std::vector<Proposal> arms;
  for (const std::string& recipe : base.decisions.recipes) {
    if (recipe == base.decisions.recipe) continue;
    const std::string why_not =
        is_distilled || is_official(recipe)
            ? ""
            : "it is of weights that were distilled for it, or of their LoRA, and the case names none";
    arms.push_back({"recipe-" + recipe, [=](Request& other) { take_recipe(other, recipe); }, why_not,
                    fmt::format("--recipe {}, and what it says of steps, shift, guidance and solver", recipe)});
  }
  return arms;
}

struct Lever {
  const char* name;
  std::vector<Proposal> (*arms)(const Base&);
};

constexpr Lever kLevers[] = {
    {"step-cache", reuse_arms},
    {"cfg-gate", gate_arms},
    {"steps", steps_arms},
    {"solver", solver_arms},
    {"recipe", recipe_arms},
    {"residency", residency_arms},
    {"vae-precision", vae_precision_arms},
    {"vae-chunk", vae_chunk_arms},
};

/// A file by its name alone: a report is read elsewhere.
template <class T>
std::string word_of(const T& member) {
  if constexpr (std::is_same_v<T, std::filesystem::path>)
    return member.filename().string();
  else
    return text_of(member);
}

/// The options in which a request differs from another, as the command line writes them; those that fell away by their
/// names.
std::string difference_text(const Request& from, const Request& to) {
  std::vector<std::string> before, words;
  request_options([&](const Option&, const auto& member, const auto&) { before.push_back(word_of(member)); }, from);
  size_t i = 0;
  request_options(
      [&](const Option& option, const auto& member, const auto&) {
        const std::string now = word_of(member), &old = before[i++];
        if (now != old)
          words.push_back(now.empty() ? fmt::format("no {}", option.name()) : fmt::format("{} {}", option.name(), now));
      },
      to);
  return fmt::format("{}", fmt::join(words, " "));
}

AblationArm arm_of(const std::string& name, const std::string& lever) {
  AblationArm arm;
  arm.name = name;
  arm.lever = lever;
  return arm;
}

void take_forwards(AblationArm& arm, const Decisions& decisions) {
  arm.forwards_planned = decisions.forwards_planned;
  arm.forwards_in_all = decisions.forwards_in_all;
  if (decisions.step_cache && !decisions.step_cache->curve_remark.empty())
    arm.remarks.push_back(decisions.step_cache->curve_remark);
}

class Ablating {
 public:
  Ablating(const PlannedCase& base, const AblationOptions& options)
      : request_(base.details.request),
        decisions_(decide(base.details.request)),
        options_(options),
        asked_(options.levers.begin(), options.levers.end()) {
    out_.ablation.case_name = base.details.name;
    out_.ablation.random_weights = request_.random_weights;
    out_.suite.name = "ablation of " + base.details.name;
    out_.suite.version = "1";
    AblationArm arm = arm_of(kDefaultArm, "");
    take_forwards(arm, decisions_);
    add(std::move(arm), request_, base.details.notes);
  }

  PlannedAblation plan() && {
    std::vector<std::string> known;
    for (const Lever& lever : kLevers) {
      known.emplace_back(lever.name);
      for (const Proposal& proposal : lever.arms({request_, decisions_, options_})) {
        known.push_back(proposal.name);
        if (is_asked(lever.name) || is_asked(proposal.name)) propose(proposal, lever.name);
      }
    }
    for (const std::string& asked : asked_)
      require(std::find(known.begin(), known.end(), asked) != known.end(),
              fmt::format("--levers {}: expected levers or arms, of {}", asked, fmt::join(known, ", ")),
              ErrorKind::kUsage);
    return std::move(out_);
  }

 private:
  bool is_asked(const std::string& name) const {
    return asked_.empty() || std::find(asked_.begin(), asked_.end(), name) != asked_.end();
  }

  void propose(const Proposal& proposal, const char* lever) {
    AblationArm arm = arm_of(proposal.name, lever);
    arm.why_not_run = proposal.why_not;
    Request request = request_;
    if (proposal.change) proposal.change(request);
    arm.setting = proposal.setting.empty() ? difference_text(request_, request) : proposal.setting;
    if (arm.setting.empty() && proposal.change) return;  // the case is this way already
    if (arm.why_not_run.empty()) {
      try {
        take_forwards(arm, decide(request));
      } catch (const Error& problem) {
        arm.why_not_run = problem.what();
      }
    }
    add(std::move(arm), request, "");
  }

  void add(AblationArm arm, const Request& request, const std::string& notes) {
    if (arm.why_not_run.empty()) out_.suite.cases.push_back({arm.name, {}, notes, request});
    out_.ablation.arms.push_back(std::move(arm));
  }

  const Request& request_;
  const Decisions decisions_;
  const AblationOptions& options_;
  std::vector<std::string> asked_;
  PlannedAblation out_;
};

Setting setting_of(const PlannedCase& planned) {
  const Decisions decisions = decide(planned.details.request);
  return {planned.details.name, planned.details.request, precision_class(decisions), decisions.recipe};
}

}  // namespace

std::vector<std::string> lever_names() {
  std::vector<std::string> names;
  for (const Lever& lever : kLevers) names.emplace_back(lever.name);
  return names;
}

PlannedAblation plan_ablation(const PlannedCase& base, const AblationOptions& options) {
  return Ablating(base, options).plan();
}

std::vector<PlannedFidelity> judge_arms(const std::vector<PlannedCase>& plan, const std::filesystem::path& output) {
  std::vector<PlannedFidelity> judged;
  for (size_t i = 1; i < plan.size(); ++i) {
    const PlannedCase& arm = plan[i];
    FidelityTask task;
    task.pair = {setting_of(plan.front()), setting_of(arm), "timed_runs_are_compared"};
    task.kept_reference = plan.front().key;
    task.why_no_floor = "not_asked_for";
    task.stills_from = output;
    task.folder = output / "fidelity" / fmt::format("{}.{}", file_word(arm.details.name), arm.key.substr(0, 8));
    task.reference_key = sha256_hex(fmt::format("{}\nagainst\n{}", arm.key, task.kept_reference)).substr(0, 32);
    judged.push_back({&arm, std::move(task)});
  }
  return judged;
}

}  // namespace wan::suite
