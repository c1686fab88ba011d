#include "report/case_section.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "analysis/execution_text.h"
#include "analysis/fidelity_text.h"
#include "analysis/plain_words.h"
#include "analysis/repeat_command.h"
#include "analysis/report_view.h"
#include "analysis/reuse_text.h"
#include "analysis/stage_columns.h"
#include "report/escape.h"
#include "report/fidelity.h"
#include "report/format.h"
#include "report/kernels.h"

namespace wan::report {
namespace {

std::string joined(const std::vector<std::string>& parts, const char* separator) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : separator) + part;
  return out;
}

/// Leaves tile the total; hidden work and components are listed apart, for they overlap or are parts of a leaf.
std::string stage_table(const CaseSummary& s, bool on_gpu) {
  std::vector<const StageColumn*> columns;
  std::vector<std::string> heads = {"Stage"};
  for (const StageColumn& column : stage_columns()) {
    if (!column.is_in(kMarkdownTable) || (column.needs == Needs::kCard && !on_gpu)) continue;
    columns.push_back(&column);
    heads.push_back(head_of(column));
  }
  heads.insert(heads.begin() + 2, "Share (%)");
  Table table(heads);
  for (const StageSummary& stage : s.stages) {
    if (stage.kind != StageKind::kLeaf && stage.kind != StageKind::kParent) continue;
    table.begin_row();
    table.text(stage.name);
    for (const StageColumn* column : columns) {
      const bool is_time = column->over_runs == &StageSummary::wall_s;
      // What no stage accounts for has a time and nothing else.
      if (stage.name == kUnattributedName && !is_time)
        table.text("");
      else
        table.value(stage.*column->over_runs, writer_of(column->unit));
      if (is_time) table.text(stage.share ? percent(100 * *stage.share) : "");
    }
  }
  return table.markdown();
}

/// Parts long enough to matter; a run has many others.
std::string parts_table(const CaseView& shown) {
  Table table({"Part of a stage", "Spans", "Time (s)", "Kind", "Moved (GiB)"});
  const auto left_out =
      std::count_if(shown.parts.begin(), shown.parts.end(), [](const PartView& p) { return !p.matters; });
  if (static_cast<size_t>(left_out) == shown.parts.size()) return "";
  for (const PartView& part : shown.parts) {
    if (!part.matters) continue;
    table.begin_row();
    table.text(part.id);
    table.text(fmt::format("{}", part.count));
    table.value(part.seconds, seconds);
    table.text(part.kind == StageKind::kHidden ? "hidden behind other work" : "part");
    table.text(part.moved_bytes.has() ? gib(part.moved_bytes.median()) : "");
  }
  std::string out = "\n" + table.markdown();
  if (left_out > 0) out += fmt::format("\n{} parts below 1 % of the total are in the records.\n", left_out);
  return out;
}

std::string workload_lines(const RunRecord& run) {
  const Workload& work = run.workload;
  const auto number = [](const auto& value) { return value ? fmt::format("{}", *value) : std::string("–"); };
  std::string dtypes;
  for (const auto& [component, type] : work.dtypes)
    dtypes += fmt::format("{}{} {}", dtypes.empty() ? "" : ", ", component, type);
  const auto word = [](const std::string& text) { return text.empty() ? std::string("–") : markdown_text(text); };
  const bool is_official = work.recipe.empty() || work.recipe == "official";
  const std::string recipe = is_official ? "" : fmt::format(" (recipe {})", markdown_text(work.recipe));
  std::string out =
      fmt::format("- **Workload**: {} {}, {}\\*{}, {} frames, {} steps{}, {}, shift {}, guidance {}{}, seed {}\n",
                  markdown_text(work.task), markdown_text(work.model), number(work.width), number(work.height),
                  number(work.num_frames), number(work.steps), recipe, word(work.solver), number(work.shift),
                  number(work.guidance_low),
                  work.guidance_high ? fmt::format(" (high noise {})", *work.guidance_high) : "", number(work.seed));
  if (const std::string images = images_text(work); !images.empty())
    out += fmt::format("- **Images**: {}\n", markdown_text(images));
  if (const std::string loras = loras_text(work); !loras.empty())
    out += fmt::format("- **LoRAs**: {}\n", markdown_text(loras));
  const std::string fidelity = fidelity_text(run);
  out += fmt::format("- **Precision**: class {}{}{}; offload {}; text encoder on {}; scope {}\n",
                     to_string(work.precision_class), dtypes.empty() ? "" : ": " + markdown_text(dtypes),
                     fidelity.empty() ? "" : "; " + fidelity, word(work.offload), word(work.text_encoder_device),
                     to_string(work.scope));
  const auto memory_plan = run.engine.facts.find("memory_plan");
  if (memory_plan != run.engine.facts.end())
    out += fmt::format("- **Memory Plan**: {}\n", markdown_text(memory_plan->second));
  if (!run.run_case.aliases.empty())
    out += fmt::format("- **Also called**: {}\n", markdown_text(joined(run.run_case.aliases, ", ")));
  return out;
}

std::string headline(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  std::string out = fmt::format("- **Total Duration**: {}\n", with_interval(s.total_s, seconds, "s"));
  if (shown.on_gpu) {
    out += fmt::format("- **Peak GPU Memory**: {}\n", with_interval(s.peak_device_bytes, gib, "GiB"));
    out += fmt::format("- **Total Compute Load**: {}\n", with_interval(s.sm_seconds, seconds, "SM·s"));
    out += fmt::format("- **Energy**: {}\n", with_interval(s.energy_j, percent, "J"));
  }
  out += fmt::format("- **Peak Process Memory**: {}\n", with_interval(s.peak_host_bytes, gib, "GiB"));
  out += workload_lines(*s.example);
  if (const std::string command = repeat_command(s); !command.empty())
    out += fmt::format("- **To repeat it**: {}\n", markdown_code(command));
  return out;
}

/// What a column rests on: its source, or why it is empty.
std::string source_of(const Quantity& quantity) {
  return quantity.has() ? markdown_text(quantity.source)
                        : fmt::format("– ({})", markdown_text(explain(quantity.reason)));
}

std::string sources(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  std::string out = "- **Sources**: ";
  if (shown.on_gpu)
    out += fmt::format("SM activity {}; GPU memory {}; energy {}; ", source_of(shown.whole().sm_active_percent),
                       source_of(s.peak_device_bytes), source_of(s.energy_j));
  out += fmt::format("process memory {}\n", source_of(s.peak_host_bytes));
  const Measured<double>& overhead = s.example->overhead_percent;
  return out + "- **What watching costs**: " +
         (overhead.has() ? fmt::format("{:.2f} % of step time\n", *overhead.value)
                         : fmt::format("– ({})\n", markdown_text(explain(overhead.reason))));
}

std::string certainty(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  std::string out = fmt::format("- **Runs**: {}", runs_cell(shown));
  if (s.total_s.has() && s.total_s.estimate->single_run)
    out += shown.runs > 1 && shown.failed ? " — the first run's numbers, no interval" : " — single run, no interval";
  if (s.total_s.has() && s.total_s.estimate->extremes)
    out += fmt::format("; lowest to highest covers the median with {:.1f} %",
                       100 * s.total_s.estimate->extremes->coverage);
  out += "\n";
  if (!s.not_converged.empty() && !(s.total_s.has() && s.total_s.estimate->single_run))
    out += fmt::format("- **Not converged**: {}\n", markdown_text(joined(s.not_converged, "; ")));
  out += fmt::format("- **Executed**: {}\n", markdown_text(execution_text(s.group.execution)));
  if (const std::string reused = reuse_text(*s.example); !reused.empty())
    out += fmt::format("- **Reused**: {}; {}\n", markdown_text(reused), markdown_text(reuse_letters(*s.example)));
  for (const std::string& doubt : pooling_doubts(s.group))
    out += fmt::format("- **Mixed**: {}\n", markdown_text(doubt));
  for (const Exclusion& exclusion : shown.excluded())
    if (!exclusion.run->run_case.warmup)
      out += fmt::format("- **Not counted**: repeat {}: {}\n", exclusion.run->run_case.repeat + 1,
                         markdown_text(exclusion.reason));
  for (const ValidityFlag& flag : s.example->validity)
    if (!flag.excludes && !shown.failed)
      out += fmt::format("- **Note** {}: {}\n", markdown_text(flag.name), markdown_text(flag.detail));
  return out + sources(shown);
}

std::string failure_lines(const CaseView& shown) {
  if (!shown.failed || shown.failed->error == nullptr) return "";
  const ErrorFacts& error = *shown.failed->error;
  std::string out =
      fmt::format("- **Failed**: {}: {}\n", to_string(shown.failed->run->status), markdown_text(error.message));
  if (!error.stage.empty()) out += fmt::format("- **In stage**: {}\n", markdown_text(error.stage));
  if (error.requested_bytes.has() && error.free_bytes.has())
    out += fmt::format("- **Asked for**: {} GiB with {} GiB free\n", gib(double(*error.requested_bytes.value)),
                       gib(double(*error.free_bytes.value)));
  if (!error.advice.empty()) out += fmt::format("- **What would fit**: {}\n", markdown_text(error.advice));
  if (!error.stderr_tail.empty()) {
    constexpr size_t kShown = 1500;
    const size_t from = error.stderr_tail.size() > kShown ? error.stderr_tail.size() - kShown : 0;
    out += "\n" + markdown_block(std::string_view(error.stderr_tail).substr(from));
  }
  return out;
}

std::string inference_statistics(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  std::string out = "\n##### Inference Statistics\n\n";
  const bool some_reuse = step_work(s.example->forwards) == StepWork::kReusing;
  out += fmt::format("- **Avg Time per Step**: {} ({} of the steps after the first)\n",
                     with_interval(s.steady_step_s, seconds, "s"), some_reuse ? "mean" : "median");
  if (!s.step_series.empty()) {
    const StepSeries& series = s.step_series.front();
    out += fmt::format("- **First Step**: {} s, {:.3f} of a steady one\n", seconds(series.first_s),
                       series.first_over_steady);
    if (!some_reuse)
      out += fmt::format("- **Drift over the Steps**: {:+.2f} %{}\n", 100 * series.drift,
                         series.drifts ? " — drifting" : "");
    if (series.bimodal) out += fmt::format("- **Two Levels**: p90/p10 = {:.2f}\n", series.p90_over_p10);
  }
  out += fmt::format("- **All Steps**: {}\n", with_interval(s.steps_s, seconds, "s"));
  out +=
      fmt::format("- **Warm Total** (T5_Encoding to VAE_Decoding): {}\n", with_interval(s.warm_total_s, seconds, "s"));
  if (s.stage(kTotalName) == nullptr) return out;
  if (shown.on_gpu)
    out += fmt::format("- **Avg SM Activity**: {}\n", with_interval(shown.whole().sm_active_percent, percent, "%"));
  out += fmt::format("- **Avg CPU Utilization**: {} of the allowed cores\n",
                     with_interval(shown.whole().cpu_percent, percent, "%"));
  return out;
}

std::string performance_analysis(const BottleneckReport& report) {
  std::string out = "\n##### Performance Analysis\n\n";
  for (const ClassShare& part : report.classes)
    out += fmt::format("- {}: {} s, {:.1f} % of the total\n", class_name(part.what), seconds(part.seconds),
                       100 * part.share);
  out += report.findings.empty() ? "\nNo rule fired.\n" : "\n**Bottlenecks Detected:**\n";
  for (const BottleneckFinding& finding : report.findings) {
    out += fmt::format("- {}", markdown_text(finding.message));
    if (finding.saving_s) out += fmt::format(" (at most {} s a video)", seconds(*finding.saving_s));
    out += "\n";
  }
  if (!report.what_ifs.empty()) out += "\n**What would help:**\n";
  for (const WhatIf& what : report.what_ifs)
    out += what.saved_bytes > 0 ? fmt::format("- {}: -{} GiB\n", markdown_text(what.change), gib(what.saved_bytes))
                                : fmt::format("- {}: -{} s, {} s in all, {:.2f}x\n", markdown_text(what.change),
                                              seconds(what.saved_s), seconds(what.new_total_s), what.speedup);
  out += "\n**Resource Usage Overview:**\n";
  if (report.headroom)
    out += fmt::format("- Peak GPU memory {} GiB of {} GiB: {} GiB ({:.0f} %) free\n", gib(report.headroom->peak_bytes),
                       gib(report.headroom->capacity_bytes), gib(report.headroom->free_bytes),
                       report.headroom->free_percent);
  return out;
}

std::string resource_lines(const RunRecord& run) {
  const StageRecord* total = total_stage(run);
  if (total == nullptr) return "";
  std::string out;
  const auto line = [&](const char* what, const Measured<uint64_t>& bytes) {
    out += bytes.has() ? fmt::format("- {}: {} GiB\n", what, gib(double(*bytes.value)))
                       : fmt::format("- {}: – ({})\n", what, markdown_text(explain(bytes.reason)));
  };
  line("GPU memory of the process, peak (sampled, context included)", total->device_memory.process_peak_bytes);
  line("GPU memory of the engine's own allocations, peak", total->device_memory.pool_peak_bytes);
  line("Process memory, peak", total->host_memory.process_peak_bytes);
  line("of it anonymous", total->host_memory.anonymous_peak_bytes);
  line("of it mapped files", total->host_memory.file_peak_bytes);
  line("Whole machine in use, peak", total->host_memory.system_used_peak_bytes);
  line("Read from storage", total->read_bytes);
  for (const auto& [component, bytes] : total->device_memory.component_bytes)
    out += fmt::format("- On the device, {}: {} GiB\n", markdown_text(component), gib(double(bytes)));
  return out;
}

std::string provenance(const RunRecord& run) {
  std::string out = fmt::format("\n- **Stages cut by**: {}; **run id**: {}; **at**: {}\n",
                                run.engine.marker_source.empty() ? "–" : markdown_text(run.engine.marker_source),
                                markdown_text(run.id), markdown_text(run.created_utc));
  if (!run.output.file.empty()) out += fmt::format("- **Video**: {}\n", markdown_text(run.output.file));
  if (!run.output.sha256.empty()) out += fmt::format("- **Frames' SHA-256**: {}\n", markdown_text(run.output.sha256));
  if (!run.workload.prompt.empty()) out += fmt::format("- **Prompt**: {}\n", markdown_text(run.workload.prompt));
  return out;
}

std::string corrections(const RunRecord& run) {
  if (!run.imported || run.imported->findings.empty()) return "";
  std::string out = "\n##### Corrections\n\nThe imported report contradicts itself:\n\n";
  for (const Finding& finding : run.imported->findings)
    out += fmt::format("- {}{}: {}\n", markdown_text(finding.code),
                       finding.where.empty() ? "" : " (" + markdown_text(finding.where) + ")",
                       markdown_text(finding.message));
  return out;
}

}  // namespace

std::string commits_of(const std::vector<const RunRecord*>& runs) {
  std::map<std::pair<std::string, bool>, int> counts;
  for (const RunRecord* run : runs) ++counts[{run->tool.git_commit.substr(0, 12), run->tool.git_dirty}];
  const bool several = counts.size() > 1;
  std::string text;
  for (const auto& [commit, count] : counts) {
    std::string remark = commit.second ? "changed" : "";
    if (several) remark += fmt::format("{}{} {}", remark.empty() ? "" : ", ", count, count == 1 ? "run" : "runs");
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", commit.first, remark.empty() ? "" : " (" + remark + ")");
  }
  return (several ? "commits " : "commit ") + text;
}

std::string time_cell(const CaseView& shown) {
  if (shown.failed && shown.failed->error != nullptr) return std::string(to_string(shown.failed->run->status));
  if (!shown.has_result()) return "–";
  return seconds(shown.numbers().total_s.median()) +
         (shown.failed ? fmt::format(" ({})", plain_reason(shown.doubt())) : "");
}

std::string runs_cell(const CaseView& shown) { return fmt::format("{} of {}", shown.counted, shown.runs); }

std::string speedup_cell(const CaseView* a, const CaseView* b) {
  if (a == nullptr || b == nullptr || a->failed || b->failed) return "–";
  const Comparison comparison = compare_freely(*a, *b);
  if (!comparison.comparable()) return markdown_text(joined(comparison.refusals, "; "));
  if (!comparison.split) return "–";
  std::string text = fmt::format("**{:.2f}x** (GPU part {:.2f}x)", comparison.split->total, comparison.split->gpu);
  if (!comparison.scopes.empty()) text += fmt::format(", {}", plain_verdict(comparison.scopes.front().time));
  for (const ComparedFidelity& fidelity : comparison.fidelity.measured)
    text += "; " + markdown_text(measured_text(fidelity.view));
  return text;
}

std::string case_section(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  std::string out = fmt::format("\n#### Case: {}\n\n", markdown_text(shown.title));
  if (s.stages.empty())
    return out + workload_lines(*s.example) + failure_lines(shown) + certainty(shown) + fidelity_markdown(shown) +
           "\n---\n";
  out += headline(shown) + certainty(shown) + failure_lines(shown);
  out += "\n##### Stage Breakdown\n\n" + stage_table(s, shown.on_gpu) + parts_table(shown);
  out += inference_statistics(shown);
  out += performance_analysis(shown.bottlenecks) + resource_lines(*s.example);
  out += fidelity_markdown(shown) + kernels_markdown(shown.traced) + corrections(*s.example) + provenance(*s.example);
  return out + "\n---\n";
}

}  // namespace wan::report
