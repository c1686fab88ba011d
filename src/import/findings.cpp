// What an imported report says against itself: aggregates recomputed from its rows, and runs held against each other.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "import/fill.h"
#include "import/import.h"
#include "import/parse.h"
#include "results/stage_names.h"

namespace wan {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr const char* kPercentSeconds = "%·s";
constexpr double kUtilisationLimit = 80;  // the original warns below it
constexpr double kStallSeconds = 1;       // a Step_i_Loading of this and
constexpr double kStallShare = 0.05;      // this share of the run is a bottleneck
constexpr double kUnattributedLimit = 0.01;
constexpr double kSameTime = 0.005;  // steps and VAE of two runs within this: the same work
constexpr double kFirstStepLimit = 1.01;

std::optional<double> printed_number(const std::map<std::string, std::string>& printed,
                                     std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = printed.find(key);
    if (found == printed.end()) continue;
    if (const auto value = leading_number(found->second)) return value;
  }
  return std::nullopt;
}

double printed_sm(const StageRecord& s) { return printed_number(s.printed, {"SM Act (%)", "sm_activity"}).value_or(0); }
double printed_cpu(const StageRecord& s) {
  return printed_number(s.printed, {"CPU (%)", "cpu_utilization"}).value_or(0);
}
double seconds(const StageRecord& s) { return static_cast<double>(s.wall_ns) * 1e-9; }

/// The printed load, or time x SM where the report has none (the later JSON spelling).
double load_of(const StageRecord& s) {
  return printed_number(s.printed, {"Comp Load", "compute_load"}).value_or(seconds(s) * printed_sm(s));
}

bool is_step(const StageRecord& s) { return s.name.starts_with("Step_") && s.name.ends_with("_Inference"); }

void report(RunRecord& record, std::string code, std::string where, std::string message, std::optional<double> printed,
            std::optional<double> recomputed, std::string unit) {
  record.imported->findings.push_back(
      {std::move(code), std::move(where), std::move(message), printed, recomputed, std::move(unit)});
}

void check_load(RunRecord& record, const Recomputed& r) {
  if (r.header_load > 0 && r.header_load > 1.5 * r.leaf_load) {
    report(record, "double_counted_load", "Total Compute Load",
           "the total adds Total_Execution to the stages it consists of", r.header_load, r.leaf_load, kPercentSeconds);
  }
  if (r.header_load > 0 && r.whole_run_sm_percent < kUtilisationLimit && r.checked_sm_percent >= kUtilisationLimit) {
    report(record, "low_utilisation_hidden", kTotalName,
           fmt::format("the low-utilisation warning (below {:.0f} %) saw the doubled load and stayed silent",
                       kUtilisationLimit),
           r.checked_sm_percent, r.whole_run_sm_percent, "%");
  }
  if (printed_number(record.stages.front().printed, {"Comp Load", "compute_load"}) == std::nullopt) {
    report(record, "load_missing", "", "no compute load is written; recomputed as time x SM activity", std::nullopt,
           r.leaf_load, kPercentSeconds);
  }
}

void check_time(RunRecord& record, const Recomputed& r) {
  if (r.total_s > 0 && r.unattributed_s > kUnattributedLimit * r.total_s) {
    report(record, "unattributed_time", kTotalName,
           fmt::format("{:.1f} % of the run is in no stage", 100 * r.unattributed_s / r.total_s), std::nullopt,
           r.unattributed_s, "s");
  }
  for (const StageRecord& s : record.stages) {
    if (s.name.ends_with("_Loading") && seconds(s) > kStallSeconds && seconds(s) > kStallShare * r.total_s) {
      report(record, "loading_stall", s.name,
             fmt::format("{:.1f} % of the run waits for weights here", 100 * seconds(s) / r.total_s), std::nullopt,
             seconds(s), "s");
    }
  }
}

void check_averages(RunRecord& record, const Recomputed& r) {
  struct Check {
    const char* name;
    double recomputed, tolerance;  // half a unit of the last place printed, and of the rows it is made from
    const char* unit;
  };
  const double rows = static_cast<double>(std::max<int64_t>(1, r.steps));
  const Check checks[] = {{"Avg Time per Step", r.average_step_s, 0.0101, "s"},
                          {"Avg SM Activity", r.average_sm_percent, 0.101, "%"},
                          {"Avg CPU Utilization", r.average_cpu_percent, 0.101, "%"},
                          {"Total Inference Load", r.inference_load, 0.5 * rows + 0.51, kPercentSeconds},
                          {"Peak GPU Memory", r.peak_gib, 0.0101, "GiB"}};
  for (const Check& check : checks) {
    const auto printed = printed_number(record.imported->printed, {check.name});
    if (printed && std::abs(*printed - check.recomputed) > check.tolerance) {
      report(record, "aggregate_mismatch", check.name, "the printed aggregate does not follow from the rows", printed,
             check.recomputed, check.unit);
    }
  }
  std::vector<double> steps;
  for (const StageRecord& s : record.stages) {
    if (is_step(s)) steps.push_back(seconds(s));
  }
  if (steps.size() < 3) return;
  const double steady = std::accumulate(steps.begin() + 1, steps.end(), 0.0) / static_cast<double>(steps.size() - 1);
  if (steps[0] > kFirstStepLimit * steady) {
    report(record, "warm_up_in_average", "Avg Time per Step", "the average includes step 0 and its warm-up",
           r.average_step_s, steady, "s");
  }
}

void check_zeros(RunRecord& record) {
  int64_t memory_zero = 0, memory_rows = 0, short_rows = 0, one_sample = 0, tensor_rows = 0;
  bool any_tensor = false, cpu_all_zero = true, cpu_column = false;
  for (const StageRecord& s : record.stages) {
    if (const auto memory = printed_number(s.printed, {"Sys Mem (GB)", "system_memory_peak_gb"})) {
      ++memory_rows;
      memory_zero += *memory == 0 ? 1 : 0;
    }
    if (const auto cpu = printed_number(s.printed, {"CPU (%)", "cpu_utilization"})) {
      cpu_column = true;
      cpu_all_zero = cpu_all_zero && *cpu == 0;
    }
    if (seconds(s) < kShortestSampledSeconds) {
      ++short_rows;
      one_sample += printed_sm(s) > 0 ? 1 : 0;
    }
    if (const auto tensor = printed_number(s.printed, {"tensor_core_utilization"})) {
      ++tensor_rows;
      any_tensor = any_tensor || *tensor > 0;
    }
  }
  const auto count = [](int64_t n) { return static_cast<double>(n); };
  if (memory_zero > 0) {
    report(record, "zero_for_absent", "Sys Mem",
           fmt::format("{} of {} rows print 0 for memory that was not sampled", memory_zero, memory_rows), 0,
           std::nullopt, "GiB");
  }
  if (cpu_column && cpu_all_zero) {
    report(record, "zero_for_absent", "CPU", "every row prints 0 % CPU: the monitor had no CPU sampling", 0,
           std::nullopt, "%");
  }
  if (tensor_rows > 0 && !any_tensor) {
    report(record, "zero_for_absent", "tensor activity",
           "tensor activity is 0 in every row of a tensor-core workload: it was not measured", 0, std::nullopt, "%");
  }
  if (short_rows > 0) {
    report(record, "below_resolution", "SM Act", "rows shorter than the sampling period read 0 by construction",
           count(short_rows), std::nullopt, "rows");
  }
  if (one_sample > 0) {
    report(record, "single_sample", "SM Act", "a row shorter than the sampling period took one sample as its mean",
           count(one_sample), std::nullopt, "rows");
  }
}

/// A limit named in a remark that belongs to another card.
void check_remarks(RunRecord& record) {
  const std::string& gpu = record.system.gpus[0].name;
  for (const std::string& note : std::vector<std::string>(record.imported->notes)) {
    const size_t limit = note.find("limit on ");
    if (limit == std::string::npos) continue;
    std::string named = note.substr(limit + 9);
    while (!named.empty() && !std::isalnum(static_cast<unsigned char>(named.back()))) named.pop_back();
    if (gpu.find(named) != std::string::npos) continue;
    report(record, "limit_of_another_card", "Peak GPU Memory",
           fmt::format("the remark names the limit of {}, the run was on {}", named, gpu), std::nullopt, std::nullopt,
           "");
  }
}

/// "480p" in a name against the height that was made.
void check_name(RunRecord& record) {
  const std::string& name = record.run_case.name;
  for (const int lines : {240, 360, 480, 540, 720, 1080}) {
    if (name.find(fmt::format("{}p", lines)) == std::string::npos) continue;
    const auto height = record.workload.height;
    if (height && *height != lines) {
      report(record, "mislabelled_resolution", "case name",
             fmt::format("the name says {}p, the run made {}x{}", lines, record.workload.width.value_or(0), *height),
             lines, static_cast<double>(*height), "lines");
    }
  }
  for (const auto& [key, value] : record.imported->printed) {  // "summary: RTX 6000 Time(s)" of an RTX PRO 6000
    constexpr std::string_view kPrefix = "summary: ", kSuffix = " Time(s)";
    if (!key.starts_with(kPrefix) || !key.ends_with(kSuffix)) continue;
    const std::string label = key.substr(kPrefix.size(), key.size() - kPrefix.size() - kSuffix.size());
    const auto own = printed_number(record.imported->printed, {"Total Duration"});
    if (leading_number(value) == own && record.system.gpus[0].name.find(label) == std::string::npos) {
      report(record, "mislabelled_gpu", "summary",
             fmt::format("the summary calls the card '{}', its own section '{}'", label, record.system.gpus[0].name),
             std::nullopt, std::nullopt, "");
    }
  }
}

void check_units(RunRecord& record) {
  report(record, "unit_mislabelled", "memory", "columns labelled GB hold bytes / 1024^3", std::nullopt, std::nullopt,
         "GiB");
  if (record.engine.kind == EngineKind::kImported) {
    report(record, "sm_activity_unverified", "SM Act",
           "the original falls back to kernel-busy time under the same name when profiling counters are refused",
           std::nullopt, std::nullopt, "%");
  }
}

bool close(double a, double b) { return std::abs(a - b) <= kSameTime * std::max(a, b); }

double vae_seconds(const RunRecord& record) {
  const StageRecord* vae = find_stage(record, "VAE_Decoding");
  return vae != nullptr ? seconds(*vae) : 0;
}

/// Two runs on one card with the same steps, step time, VAE time and peak: the same work under two names.
void check_duplicates(std::vector<RunRecord>& records) {
  for (size_t i = 0; i < records.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const Recomputed a = recompute(records[j]), b = recompute(records[i]);
      const bool same = records[i].system.gpus[0].name == records[j].system.gpus[0].name && a.steps == b.steps &&
                        a.steps > 0 && records[i].run_case.name != records[j].run_case.name &&
                        close(a.average_step_s, b.average_step_s) &&
                        close(vae_seconds(records[j]), vae_seconds(records[i])) && a.peak_gib == b.peak_gib;
      if (!same) continue;
      report(records[i], "duplicate_workload", "case",
             fmt::format("steps, step time, VAE time and peak equal those of '{}': the same work under two names",
                         records[j].run_case.name),
             std::nullopt, std::nullopt, "");
    }
  }
}

/// The printed speedup of a case against the part of it that runs on the card, and cases without a counterpart.
void check_speedups(std::vector<RunRecord>& records) {
  for (RunRecord& fast : records) {
    const auto& printed = fast.imported->printed;
    const auto speedup = std::find_if(printed.begin(), printed.end(),
                                      [](const auto& entry) { return entry.first.starts_with("summary: Speedup"); });
    const bool listed = speedup != printed.end();
    if (!listed && fast.imported->format == "seed-markdown") {
      report(fast, "not_in_summary", "case", "the run is in no summary table", std::nullopt, std::nullopt, "");
    }
    for (const RunRecord& slow : records) {
      if (!listed || &slow == &fast || slow.run_case.name != fast.run_case.name) continue;
      const Recomputed a = recompute(slow), b = recompute(fast);
      if (a.total_s <= b.total_s) continue;
      const auto value = leading_number(speedup->second);
      if (value && std::abs(*value - a.header_s / b.header_s) > 0.0051) {
        report(fast, "aggregate_mismatch", "Speedup", "the printed speedup is not the ratio of the durations", value,
               a.header_s / b.header_s, "x");
      }
      report(fast, "speedup_includes_host", "Speedup",
             fmt::format("against {}: only steps and VAE run on the card; the rest is disk, CPU and unattributed time",
                         slow.system.gpus[0].name),
             value, a.gpu_part_s / b.gpu_part_s, "x");
    }
  }
}

}  // namespace

Recomputed recompute(const RunRecord& record) {
  Recomputed out;
  double sm = 0, cpu = 0, step_seconds = 0;
  for (const StageRecord& s : record.stages) {
    const double peak =
        s.device_memory.pool_peak_bytes.has() ? static_cast<double>(*s.device_memory.pool_peak_bytes.value) / kGiB : 0;
    out.peak_gib = std::max(out.peak_gib, peak);
    if (s.kind == StageKind::kParent) {
      out.total_s = seconds(s);
      out.total_load = load_of(s);
      out.whole_run_sm_percent = printed_sm(s);
      continue;
    }
    out.leaves_s += seconds(s);
    out.leaf_load += load_of(s);
    if (is_step(s) || s.name == "VAE_Decoding") out.gpu_part_s += seconds(s);
    if (!is_step(s)) continue;
    ++out.steps;
    step_seconds += seconds(s);
    sm += printed_sm(s);
    cpu += printed_cpu(s);
    out.inference_load += load_of(s);
  }
  const double n = static_cast<double>(std::max<int64_t>(1, out.steps));
  out.average_step_s = step_seconds / n;
  out.average_sm_percent = sm / n;
  out.average_cpu_percent = cpu / n;
  out.unattributed_s = out.total_s - out.leaves_s;
  if (record.imported) {
    const auto& printed = record.imported->printed;
    out.header_load = printed_number(printed, {"Total Compute Load", "total_compute_load"}).value_or(0);
    out.header_s =
        printed_number(printed, {"Total Duration", "total_duration", "total_duration_sec"}).value_or(out.total_s);
  }
  out.checked_sm_percent = out.header_s > 0 ? out.header_load / out.header_s : 0;
  return out;
}

void add_findings(std::vector<RunRecord>& records) {
  for (RunRecord& record : records) {
    const Recomputed r = recompute(record);
    check_load(record, r);
    check_time(record, r);
    check_averages(record, r);
    check_zeros(record);
    check_remarks(record);
    check_name(record);
    check_units(record);
  }
  check_duplicates(records);
  check_speedups(records);
}

}  // namespace wan
