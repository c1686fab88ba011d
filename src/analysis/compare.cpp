// Verdicts on two arms of runs.
#include "analysis/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace wan {
namespace {

/// The values of the runs that have one. `get`: run -> optional<double>.
std::vector<double> values_of(const std::vector<const RunRecord*>& runs, auto get) {
  std::vector<double> out;
  for (const RunRecord* run : runs) {
    const std::optional<double> value = get(*run);
    if (value && *value > 0) out.push_back(*value);
  }
  return out;
}

std::optional<double> in_seconds(const std::optional<int64_t>& ns) {
  return ns ? std::optional<double>(static_cast<double>(*ns) * 1e-9) : std::nullopt;
}

std::optional<double> role_seconds(const RunRecord& run, StageRole role) {
  const Breakdown parts = break_down(run);
  int64_t sum = 0;
  bool any = false;
  for (const StageRecord* leaf : parts.leaves) {
    if (leaf->role != role) continue;
    sum += leaf->wall_ns;
    any = true;
  }
  return any ? std::optional<double>(static_cast<double>(sum) * 1e-9) : std::nullopt;
}

/// Cycles of the leaves that run on the card: device time (wall time where there is none) x median SM clock. Nothing
/// unless every such leaf of a second or more has a clock.
std::optional<double> gpu_cycles(const RunRecord& run, std::optional<StageRole> role) {
  const Breakdown parts = break_down(run);
  double cycles = 0;
  for (const StageRecord* leaf : parts.leaves) {
    if (!computes_on_gpu(run, *leaf) || (role && leaf->role != *role)) continue;
    const int64_t ns = leaf->gpu_ns.has() ? *leaf->gpu_ns.value : leaf->wall_ns;
    if (leaf->sm_clock_mhz.has()) {
      cycles += static_cast<double>(ns) * 1e-3 * leaf->sm_clock_mhz.value->median;
    } else if (ns >= 1'000'000'000) {
      return std::nullopt;
    }
  }
  return cycles > 0 ? std::optional<double>(cycles) : std::nullopt;
}

bool decisive(Verdict verdict) { return verdict == Verdict::kFaster || verdict == Verdict::kSlower; }

class Builder {
 public:
  Builder(const CaseSummary& a, const CaseSummary& b, const CompareOptions& options)
      : a_(a), b_(b), options_(options) {}

  std::optional<ComparedRow> row(std::string name, auto time) const {
    const std::vector<double> va = values_of(a_.selection.used, time), vb = values_of(b_.selection.used, time);
    if (va.empty() || vb.empty()) return std::nullopt;
    ComparedRow out;
    out.name = std::move(name);
    const EstimateOptions how{options_.confidence};
    out.a = estimate(va, how);
    out.b = estimate(vb, how);
    out.time = compare_values(va, vb, options_);
    return out;
  }

  void add_cycles(ComparedRow& row, std::optional<StageRole> role) const {
    const auto cycles = [role](const RunRecord& run) { return gpu_cycles(run, role); };
    const std::vector<double> ca = values_of(a_.selection.used, cycles), cb = values_of(b_.selection.used, cycles);
    if (ca.size() != a_.selection.used.size() || cb.size() != b_.selection.used.size()) return;
    row.cycles = compare_values(ca, cb, options_);
    row.clock_explains = decisive(row.time.verdict) && std::abs(row.cycles->ratio - 1) <= options_.margin;
  }

 private:
  const CaseSummary& a_;
  const CaseSummary& b_;
  const CompareOptions& options_;
};

void add_scope_rows(Comparison& out, const Builder& build) {
  const auto add = [&](const char* name, auto get, bool on_gpu, std::optional<StageRole> role = std::nullopt) {
    if (auto row = build.row(name, get)) {
      if (on_gpu) build.add_cycles(*row, role);
      out.scopes.push_back(std::move(*row));
    }
  };
  add(
      "Total", [](const RunRecord& r) { return in_seconds(scopes(r).total_ns); }, false);
  add(
      "Warm total", [](const RunRecord& r) { return in_seconds(scopes(r).warm_total_ns); }, false);
  add(
      "Steady step",
      [](const RunRecord& r) -> std::optional<double> {
        const std::optional<StepSeries> steps = step_series(r);
        return steps ? std::optional<double>(steps->steady_median_s) : std::nullopt;
      },
      false);
  add(
      "GPU part", [](const RunRecord& r) { return in_seconds(scopes(r).gpu_part_ns); }, true);
  add(
      "Host part", [](const RunRecord& r) { return in_seconds(scopes(r).host_part_ns); }, false);
}

void add_stage_rows(Comparison& out, const Builder& build, const CompareOptions& options) {
  constexpr StageRole kRoles[] = {StageRole::kInitialization, StageRole::kPreprocess,     StageRole::kTextEncoding,
                                  StageRole::kAudioEncoding,  StageRole::kImageEncoding,  StageRole::kFaceEncoding,
                                  StageRole::kVaeEncoding,    StageRole::kStepLoading,    StageRole::kStepInference,
                                  StageRole::kVaeDecoding,    StageRole::kOutputEncoding, StageRole::kOther};
  for (const StageRole role : kRoles) {
    auto row = build.row(role_name(role), [role](const RunRecord& r) { return role_seconds(r, role); });
    if (!row) continue;
    if (role == StageRole::kStepInference || role == StageRole::kVaeDecoding) build.add_cycles(*row, role);
    out.stages.push_back(std::move(*row));
  }
  if (auto row =
          build.row(kUnattributedName, [](const RunRecord& r) { return in_seconds(break_down(r).unattributed_ns); })) {
    out.stages.push_back(std::move(*row));
  }
  std::vector<double> p;
  for (const ComparedRow& row : out.stages) p.push_back(row.time.p_welch.value_or(1));
  const std::vector<double> adjusted = holm(p);
  for (size_t i = 0; i < out.stages.size(); ++i) {
    ComparedRow& row = out.stages[i];
    if (!row.time.p_welch) continue;
    row.p_holm = adjusted[i];
    if (decisive(row.time.verdict) && adjusted[i] > 1 - options.confidence) {
      row.time.verdict = Verdict::kInconclusive;
      row.time.reason = fmt::format("p = {:.3f} after correcting for {} stages", adjusted[i], out.stages.size());
    }
  }
}

bool allowed(const std::string& field, const std::vector<std::string>& list) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& name) {
    return name == "*" || name == field || field.starts_with(name + ".");
  });
}

/// Whether a recipe decides the field: where recipes may differ, so may it.
bool is_of_recipe(const std::string& field) {
  constexpr std::array kFields{"steps", "solver", "shift", "guidance_low", "guidance_high", "boundary", "split_step"};
  return std::find(kFields.begin(), kFields.end(), field) != kFields.end();
}

/// LoRAs are a part of a recipe of their own: they may differ where recipes may, with or without its name.
bool is_lora(const std::string& field) { return field.starts_with("weights.lora"); }

/// Times of another class or recipe say nothing without what the picture became.
void check_fidelity(Comparison& out, const CompareOptions& options) {
  out.fidelity = fidelity_between(*out.a, *out.b, out.workload.different);
  const auto add_refuted = [&](Caveat::Of of, const char* name, const std::string& text) {
    if (text.empty()) return;
    if (options.across_precision)
      out.caveats.push_back({of, ": " + text});
    else
      out.refusals.push_back(fmt::format("{}: {}", name, text));
  };
  add_refuted(Caveat::Of::kA, "A", out.fidelity.refuted_a);
  add_refuted(Caveat::Of::kB, "B", out.fidelity.refuted_b);
  if (out.refusals.empty() && out.fidelity.is_missing())
    out.refusals.push_back(
        "fidelity: not measured, so there is no verdict: no run sets one side's picture against the other's setting, "
        "or "
        "both against one reference (run --fidelity)");
}

void check_comparable(Comparison& out, const CompareOptions& options) {
  const auto need_runs = [&](const CaseSummary& side, const char* name) {
    if (side.selection.used.empty()) {
      out.refusals.push_back(
          fmt::format("{} has no valid run of {}{}", name, side.group.case_name,
                      side.selection.excluded.empty() ? "" : ": " + side.selection.excluded[0].reason));
    }
  };
  need_runs(*out.a, "A");
  need_runs(*out.b, "B");
  if (!out.refusals.empty()) return;
  out.workload = compare_workloads(*out.a->example, *out.b->example);
  const auto& different = out.workload.different;
  const bool recipes_may_differ = allowed("recipe", options.allowed_fields);
  const bool across_recipes =
      recipes_may_differ &&
      std::any_of(different.begin(), different.end(), [](const FieldDifference& d) { return d.field == "recipe"; });
  for (const FieldDifference& d : different) {
    const bool passes = d.field == "precision_class"
                            ? options.across_precision
                            : allowed(d.field, options.allowed_fields) || (across_recipes && is_of_recipe(d.field)) ||
                                  (recipes_may_differ && is_lora(d.field));
    const std::string text = fmt::format("{} differs: {} against {}", d.field, d.a, d.b);
    if (passes)
      out.caveats.push_back({Caveat::Of::kBoth, text});
    else
      out.refusals.push_back(text);
  }
  check_fidelity(out, options);
}

void add_caveats(Comparison& out) {
  for (const FieldDifference& way : out.workload.execution)
    if (way.field != "device")
      out.caveats.push_back(
          {Caveat::Of::kBoth, fmt::format("executed another way: {} {} against {}", way.field, way.a, way.b)});
  const auto side = [&](const CaseSummary& s, Caveat::Of of) {
    const size_t runs = s.selection.used.size(), excluded = s.selection.excluded.size();
    if (runs == 1) out.caveats.push_back({of, " is a single run: no interval"});
    if (excluded > 0) out.caveats.push_back({of, fmt::format(": {} of {} runs excluded", excluded, excluded + runs)});
    for (const std::string& doubt : pooling_doubts(s.group)) out.caveats.push_back({of, ": " + doubt});
    if (s.example->engine.kind == EngineKind::kImported) out.caveats.push_back({of, " is imported"});
  };
  if (out.a->group.in_company != out.b->group.in_company)
    out.caveats.push_back({Caveat::Of::kBoth, "one side's runs had others beside them on the machine"});
  side(*out.a, Caveat::Of::kA);
  side(*out.b, Caveat::Of::kB);
  if (out.a->example->system.cpu_model != out.b->example->system.cpu_model)
    out.caveats.push_back({Caveat::Of::kBoth, "totals include differences of the hosts"});
}

double median_seconds(const std::vector<const RunRecord*>& runs, auto get) {
  const std::vector<double> values = values_of(runs, get);
  return values.empty() ? 0 : median(values);
}

SpeedupSplit split_of(const CaseSummary& a, const CaseSummary& b) {
  const auto total = [](const RunRecord& r) { return in_seconds(scopes(r).total_ns); };
  const auto gpu = [](const RunRecord& r) { return in_seconds(scopes(r).gpu_part_ns); };
  const auto host = [](const RunRecord& r) { return in_seconds(scopes(r).host_part_ns); };
  const auto rest = [](const RunRecord& r) { return in_seconds(break_down(r).unattributed_ns); };
  const auto& ra = a.selection.used;
  const auto& rb = b.selection.used;
  SpeedupSplit out;
  const double total_a = median_seconds(ra, total), total_b = median_seconds(rb, total);
  const double gpu_a = median_seconds(ra, gpu), gpu_b = median_seconds(rb, gpu);
  const double host_a = median_seconds(ra, host), host_b = median_seconds(rb, host);
  out.total = total_a / total_b;
  out.gpu = gpu_b > 0 ? gpu_a / gpu_b : 1;
  out.host = host_b > 0 ? host_a / host_b : 1;
  out.saved_s = total_a - total_b;
  out.saved_gpu_s = gpu_a - gpu_b;
  out.saved_host_s = host_a - host_b;
  out.unattributed_a_s = median_seconds(ra, rest);
  out.unattributed_b_s = median_seconds(rb, rest);
  return out;
}

}  // namespace

std::string savings_text(const SpeedupSplit& split, const std::function<std::string(double)>& write) {
  constexpr double kVisible = 0.02;  // of what is saved
  const auto change = [&](double saved) {
    return fmt::format("{} s {}", write(std::abs(saved)), saved < 0 ? "more" : "less");
  };
  const bool all_saved = split.saved_s >= 0 && split.saved_gpu_s >= 0 && split.saved_host_s >= 0;
  std::string text = all_saved
                         ? fmt::format("of {} s saved, {} s are the GPU part's and {} s the host part's",
                                       write(split.saved_s), write(split.saved_gpu_s), write(split.saved_host_s))
                         : fmt::format("{} in all, {} in the GPU part, {} in the host part", change(split.saved_s),
                                       change(split.saved_gpu_s), change(split.saved_host_s));
  const double off = split.saved_s - split.saved_gpu_s - split.saved_host_s;
  if (std::abs(off) > kVisible * std::abs(split.saved_s)) text += " (medians, which need not add up)";
  return text;
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFaster: return "FASTER";
    case Verdict::kSlower: return "SLOWER";
    case Verdict::kSame: return "SAME";
    case Verdict::kInconclusive: return "INCONCLUSIVE";
  }
  return "?";
}

RatioTest compare_values(std::span<const double> a, std::span<const double> b, const CompareOptions& options) {
  RatioTest out;
  out.ratio = median(b) / median(a);
  if (a.size() < 2 || b.size() < 2) {
    out.reason = "a single run has no interval";
    return out;
  }
  const WelchRatio welch = welch_log_ratio(a, b, options.confidence);
  const Interval boot = bootstrap_median_ratio(a, b, options.confidence);
  out.interval = Interval{std::min(welch.interval.low, boot.low), std::max(welch.interval.high, boot.high)};
  out.p_welch = welch.p_value;
  if (a.size() < kMinRunsForVerdict || b.size() < kMinRunsForVerdict) {
    out.reason = fmt::format("a verdict needs {} runs in each arm", kMinRunsForVerdict);
    return out;
  }
  out.p_rank = mann_whitney(a, b);
  const bool ranks_agree = *out.p_rank <= 1 - options.confidence;
  if (out.interval->high < 1 - options.margin && ranks_agree) {
    out.verdict = Verdict::kFaster;
  } else if (out.interval->low > 1 + options.margin && ranks_agree) {
    out.verdict = Verdict::kSlower;
  } else if (out.interval->low >= 1 - options.margin && out.interval->high <= 1 + options.margin) {
    out.verdict = Verdict::kSame;
  } else {
    out.reason = "the interval reaches over the margin: more runs or less noise are needed";
  }
  return out;
}

std::string caveat_text(const Caveat& caveat, std::string_view a, std::string_view b) {
  if (caveat.of == Caveat::Of::kBoth) return caveat.text;
  return std::string(caveat.of == Caveat::Of::kA ? a : b) + caveat.text;
}

Comparison compare_cases(const CaseSummary& a, const CaseSummary& b, const CompareOptions& options) {
  Comparison out;
  out.case_name = a.group.case_name;
  out.a = &a;
  out.b = &b;
  check_comparable(out, options);
  if (!out.comparable()) return out;
  const Builder build(a, b, options);
  add_scope_rows(out, build);
  add_stage_rows(out, build, options);
  if (a.gpu_part_s.has() && b.gpu_part_s.has()) out.split = split_of(a, b);
  add_caveats(out);
  return out;
}

std::optional<double> geometric_mean_ratio(const std::vector<Comparison>& comparisons) {
  double sum = 0;
  for (const Comparison& comparison : comparisons) {
    if (!comparison.comparable() || comparison.scopes.empty()) return std::nullopt;
    sum += std::log(comparison.scopes.front().time.ratio);
  }
  if (comparisons.empty()) return std::nullopt;
  return std::exp(sum / static_cast<double>(comparisons.size()));
}

}  // namespace wan
