// The buyer's part of a case's data, how sure it is, and where it comes from.
#include "report/html_case.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/execution_text.h"
#include "analysis/repeat_command.h"
#include "base/base64.h"
#include "report/format.h"
#include "report/html_engineer.h"
#include "report/imported.h"
#include "report/kernels.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <class T>
Json measured_data(const Measured<T>& value) {
  if (value.has()) return {{"value", *value.value}, {"source", value.source}};
  return {{"value", nullptr}, {"reason", explain(value.reason)}};
}

Json price_data(const AnalysedCase& analysed) {
  Json out = {{"gpu_hours", or_null(analysed.buyer.gpu_hours)},
              {"per_gpu_hour", nullptr},
              {"per_video", nullptr},
              {"currency", analysed.price != nullptr ? analysed.price->currency : "USD"},
              {"reason", analysed.buyer.no_cost_reason}};
  if (!analysed.buyer.cost) return out;
  out["per_gpu_hour"] = *analysed.price->per_gpu_hour;
  out["per_video"] = analysed.buyer.cost->money;
  out["date"] = analysed.price->date;
  out["source"] = analysed.price->source;
  return out;
}

Json headline_data(const AnalysedCase& analysed) {
  Json parts = Json::array();
  for (const TimePart& part : analysed.buyer.parts)
    parts.push_back(
        {{"name", part.name}, {"place", to_string(part.place)}, {"seconds", part.seconds}, {"share", part.share}});
  return {{"seconds", quantity_data(analysed.summary().total_s)},
          {"videos_per_hour", quantity_data(analysed.buyer.videos_per_hour)},
          {"energy_wh", quantity_data(analysed.buyer.energy_wh)},
          {"price", price_data(analysed)},
          {"parts", std::move(parts)},
          {"gpu_share", or_null(analysed.buyer.gpu_share)},
          {"host_share", or_null(analysed.buyer.host_share)}};
}

/// "run 2": the run as the page calls it. Its own `repeat` starts again in each of several folders shown as one.
std::string run_name(const AnalysedCase& analysed, const RunRecord& run) {
  const auto found = analysed.run_names.find(run.id);
  return found == analysed.run_names.end() ? "run" : found->second;
}

std::map<std::string, std::string> name_runs(const std::vector<const RunRecord*>& runs) {
  std::map<std::string, std::string> out;
  int counted = 0, warmups = 0, traced = 0;
  for (const RunRecord* run : runs) {
    if (run->run_case.warmup)
      out[run->id] = fmt::format("warm-up {}", ++warmups);
    else if (run->kernels)
      out[run->id] = fmt::format("traced run {}", ++traced);
    else
      out[run->id] = fmt::format("run {}", ++counted);
  }
  return out;
}

/// The used run whose total is nearest to the median of all; the example where none is used.
const RunRecord& typical_run(const CaseSummary& s) {
  const auto off = [&](const RunRecord* run) {
    const StageRecord* total = total_stage(*run);
    return total == nullptr ? HUGE_VAL : std::abs(static_cast<double>(total->wall_ns) * 1e-9 - s.total_s.median());
  };
  const auto& used = s.selection.used;
  if (used.empty() || !s.total_s.has()) return *s.example;
  return **std::min_element(used.begin(), used.end(),
                            [&](const RunRecord* a, const RunRecord* b) { return off(a) < off(b); });
}

const RunRecord* failed_run(const AnalysedCase& analysed) {
  for (const RunRecord* run : analysed.summary().group.runs)
    if (run->status != RunStatus::kOk) return run;
  return nullptr;
}

/// "fits", "out of memory", or why neither can be said.
Json fit_data(const AnalysedCase& analysed) {
  const CaseSummary& s = analysed.summary();
  const RunRecord* failed = failed_run(analysed);
  const bool out_of_memory = failed != nullptr && failed->status == RunStatus::kOutOfMemory;
  Json out = {{"state", out_of_memory && analysed.shown.stand_in ? "out of memory" : "not known"},
              {"peak", quantity_data(analysed.shown.on_gpu() ? s.peak_device_bytes : s.peak_host_bytes)},
              {"of", analysed.shown.on_gpu() ? "GPU memory" : "process memory"},
              {"predicted_peak_bytes", nullptr}};
  if (s.example->predicted_peak_bytes.has()) out["predicted_peak_bytes"] = *s.example->predicted_peak_bytes.value;
  if (out_of_memory && failed->error && !failed->error->advice.empty()) out["advice"] = failed->error->advice;
  if (!analysed.has_result() || out_of_memory) return out;
  out["state"] = "fits";
  if (const auto& room = analysed.bottlenecks.headroom) {
    out["capacity_bytes"] = room->capacity_bytes;
    out["free_bytes"] = room->free_bytes;
    out["free_percent"] = room->free_percent;
  }
  return out;
}

Json scopes_data(const CaseSummary& s) {
  const std::pair<const char*, const Quantity*> rows[] = {
      {"Total", &s.total_s},       {"Warm total (T5 to VAE)", &s.warm_total_s},
      {"All steps", &s.steps_s},   {"Steady step", &s.steady_step_s},
      {"GPU part", &s.gpu_part_s}, {"Host part", &s.host_part_s}};
  Json out = Json::array();
  for (const auto& [name, quantity] : rows) out.push_back({{"name", name}, {"value", quantity_data(*quantity)}});
  return out;
}

/// What the numbers of a column rest on: its source, or why it is empty.
std::string source_of(const Quantity& quantity) {
  return quantity.has() ? quantity.source : "none: " + explain(quantity.reason);
}

Json certainty_data(const AnalysedCase& analysed) {
  const CaseSummary& s = analysed.summary();
  Json exclusions = Json::array(), flags = Json::array();
  for (const Exclusion& exclusion : analysed.shown.excluded)
    exclusions.push_back({{"run_id", exclusion.run->id},
                          {"run", run_name(analysed, *exclusion.run)},
                          {"beside", exclusion.run->run_case.warmup || exclusion.run->kernels.has_value()},
                          {"reason", exclusion.reason}});
  std::set<std::pair<std::string, std::string>> seen;
  for (const RunRecord* run : s.group.runs)
    for (const ValidityFlag& flag : run->validity)
      if (seen.insert({flag.name, flag.detail}).second)
        flags.push_back({{"name", flag.name},
                         {"detail", flag.detail},
                         {"stage", flag.stage},
                         {"excludes", flag.excludes},
                         {"run", run_name(analysed, *run)}});
  const StageSummary* total = s.stage(kTotalName);
  static const StageSummary kNone;
  const StageSummary& whole = total != nullptr ? *total : kNone;
  const RunRecord& run = *s.example;
  return {{"runs_cell", analysed.shown.runs_cell()},
          {"runs", analysed.shown.runs()},
          {"used", analysed.shown.stand_in ? 0 : s.selection.used.size()},
          {"single_run", s.total_s.has() && s.total_s.estimate->single_run},
          {"converged", s.converged},
          {"not_converged", s.not_converged},
          {"doubt", analysed.shown.doubt},
          {"executed", execution_text(s.group.execution)},
          {"mixed", pooling_doubts(s.group)},
          {"exclusions", std::move(exclusions)},
          {"flags", std::move(flags)},
          {"marker_source", run.engine.marker_source},
          {"sm_source", source_of(whole.sm_active_percent)},
          {"memory_source", source_of(analysed.shown.on_gpu() ? s.peak_device_bytes : s.peak_host_bytes)},
          {"energy_source", source_of(s.energy_j)},
          {"unattributed_share", quantity_data(s.unattributed_share)},
          {"overhead_percent", measured_data(run.overhead_percent)},
          {"clock_residual_ns", measured_data(run.clock.gpu_residual_ns)}};
}

Json failures_data(const AnalysedCase& analysed) {
  Json out = Json::array();
  for (const RunRecord* run : analysed.summary().group.runs) {
    if (run->status == RunStatus::kOk) continue;
    Json row = {{"run_id", run->id}, {"run", run_name(analysed, *run)}, {"status", to_string(run->status)}};
    if (run->error) {
      row["stage"] = run->error->stage;
      row["message"] = run->error->message;
      row["advice"] = run->error->advice;
      row["requested_bytes"] = measured_data(run->error->requested_bytes);
      row["free_bytes"] = measured_data(run->error->free_bytes);
      row["exit_code"] = measured_data(run->error->exit_code);
      row["signal"] = measured_data(run->error->signal);
      row["stderr_tail"] = run->error->stderr_tail;
    }
    out.push_back(std::move(row));
  }
  return out;
}

Json workload_data(const Workload& work) {
  Json weights = Json::array();
  for (const WeightsFile& file : work.weights)
    weights.push_back({{"component", file.component},
                       {"file", file.file},
                       {"size_bytes", file.size_bytes},
                       {"digest", file.digest},
                       {"digest_kind", file.digest_kind}});
  return {{"task", work.task},
          {"model", work.model},
          {"width", or_null(work.width)},
          {"height", or_null(work.height)},
          {"num_frames", or_null(work.num_frames)},
          {"fps", or_null(work.fps)},
          {"steps", or_null(work.steps)},
          {"solver", work.solver},
          {"shift", or_null(work.shift)},
          {"guidance_low", or_null(work.guidance_low)},
          {"guidance_high", or_null(work.guidance_high)},
          {"boundary", or_null(work.boundary)},
          {"seed", work.seed ? Json(std::to_string(*work.seed)) : Json(nullptr)},  // 64 bits do not fit a JS number
          {"prompt", work.prompt},
          {"negative_prompt", work.negative_prompt},
          {"precision_class", to_string(work.precision_class)},
          {"dtypes", work.dtypes},
          {"offload", work.offload},
          {"text_encoder_device", work.text_encoder_device},
          {"approximations", work.approximations},
          {"scope", to_string(work.scope)},
          {"page_cache", to_string(work.page_cache)},
          {"weights", std::move(weights)}};
}

Json gpu_data(const GpuInfo& gpu) {
  return {{"name", gpu.name},
          {"uuid", gpu.uuid},
          {"driver", gpu.driver},
          {"vbios", gpu.vbios},
          {"mig_profile", gpu.mig_profile},
          {"ecc", gpu.ecc},
          {"compute_capability", gpu.compute_capability},
          {"memory_bytes", measured_data(gpu.memory_bytes)},
          {"power_limit_w", measured_data(gpu.power_limit_w)},
          {"max_sm_clock_mhz", measured_data(gpu.max_sm_clock_mhz)},
          {"pcie_generation", measured_data(gpu.pcie_generation)},
          {"pcie_width", measured_data(gpu.pcie_width)}};
}

/// By component: the page escapes each. Null where there is none, or it is not below the page's folder.
Json path_data(const std::filesystem::path& file) {
  if (file.empty() || file.is_absolute() || std::find(file.begin(), file.end(), "..") != file.end()) return nullptr;
  Json path = Json::array();
  for (const auto& component : file) path.push_back(component.string());
  return path;
}

Json provenance_data(const AnalysedCase& analysed, const HtmlOptions& options) {
  const RunRecord& run = *analysed.summary().example;
  Json gpus = Json::array(), runs = Json::array();
  for (const GpuInfo& gpu : run.system.gpus) gpus.push_back(gpu_data(gpu));
  for (const RunRecord* each : analysed.summary().group.runs) {
    const auto file = options.files.find(each->id);
    runs.push_back({{"id", each->id}, {"file", file == options.files.end() ? Json(nullptr) : path_data(file->second)}});
  }
  return {{"runs", std::move(runs)},
          {"created_utc", run.created_utc},
          {"workload_key", run.workload_key},
          {"suite", run.run_case.suite},
          {"suite_version", run.run_case.suite_version},
          {"tool",
           {{"version", run.tool.version},
            {"git_commit", run.tool.git_commit},
            {"git_dirty", run.tool.git_dirty},
            {"build", run.tool.build},
            {"cuda", run.tool.cuda}}},
          {"engine", {{"name", run.engine.name}, {"kind", to_string(run.engine.kind)}, {"device", run.engine.device}}},
          {"repeat_command", repeat_command(analysed.summary())},
          {"command", run.engine.command},
          {"env", run.engine.env},
          {"versions", run.engine.versions},
          {"facts", run.engine.facts},
          {"host", run.system.host},
          {"cpu_model", run.system.cpu_model},
          {"cores_allowed", measured_data(run.system.cores_allowed)},
          {"ram_bytes", measured_data(run.system.ram_bytes)},
          {"kernel", run.system.kernel},
          {"container", run.system.container},
          {"weights_storage", run.system.weights_storage},
          {"gpus", std::move(gpus)},
          {"frames_sha256", run.output.sha256}};
}

Json table_data(const PrintedTable& table) {
  return {{"title", table.title}, {"columns", table.columns}, {"rows", table.rows}};
}

Json imported_data(const RunRecord& run) {
  if (!run.imported) return nullptr;
  return {{"file", run.imported->file},
          {"sha256", run.imported->sha256},
          {"format", run.imported->format},
          {"printed", run.imported->printed},
          {"notes", run.imported->notes},
          {"stages", table_data(printed_stages(run))},
          {"corrections", table_data(corrections(run))}};
}

/// A picture as a URL that holds it, or null.
Json poster_data(const HtmlOptions& options, const std::filesystem::path& video) {
  const std::string jpeg = options.poster ? options.poster(video) : "";
  return jpeg.empty() ? Json(nullptr) : Json("data:image/jpeg;base64," + to_base64(jpeg));
}

/// The first video of the case that lies beside the report; null when none does. A path that leaves the folder is none.
Json video_data(const AnalysedCase& analysed, const HtmlOptions& options) {
  if (options.folder.empty()) return nullptr;
  for (const RunRecord* run : analysed.summary().group.runs) {
    const std::filesystem::path file = run->output.file;
    Json path = path_data(file);
    if (path.is_null() || run->run_case.warmup) continue;
    std::error_code error;
    if (!std::filesystem::is_regular_file(options.folder / file, error)) continue;
    return {{"run", run_name(analysed, *run)},
            {"path", std::move(path)},
            {"poster", poster_data(options, options.folder / file)},
            {"sha256", run->output.sha256}};
  }
  return nullptr;
}

Json quality_data(const RunRecord& run) {
  Json out = Json::array();
  for (const QualityCheck& check : run.output.quality)
    out.push_back({{"metric", check.metric},
                   {"value", measured_data(check.value)},
                   {"reference", check.reference},
                   {"threshold", or_null(check.threshold)},
                   {"passed", check.passed}});
  return out;
}

/// The run's samples, unless the run was so short that its stages' own values say more.
const SampleSet* drawable_samples(const RunRecord& run, const HtmlOptions& options) {
  constexpr int64_t kFewest = 5;
  return run.samples && run.samples->count < kFewest ? nullptr : of_run(options.beside.samples, run.id);
}

void add_details(Json& out, const AnalysedCase& analysed, const HtmlOptions& options) {
  const CaseSummary& s = analysed.summary();
  if (s.stages.empty()) return;
  const RunRecord& typical = typical_run(s);
  const SampleSet* samples = drawable_samples(typical, options);
  out["scopes"] = scopes_data(s);
  out["stages"] = stage_table_data(s);
  out["steps"] = steps_data(s.selection.used, analysed.run_names);
  out["timeline"] = timeline_data(typical, samples, of_run(options.beside.spans, typical.id));
  out["timeline"]["run"] = run_name(analysed, typical);
  out["roofline"] = roofline_data(s, analysed.peak);
  out["memory"] = memory_data(typical);
  out["analysis"] = analysis_data(analysed.bottlenecks);
  out["kernels"] = kernels_data(s);
}

}  // namespace

Json quantity_data(const Quantity& quantity) {
  if (!quantity.has()) return {{"value", nullptr}, {"reason", explain(quantity.reason)}};
  const Estimate& e = *quantity.estimate;
  Json out = {{"value", e.median}, {"runs", e.runs}, {"source", quantity.source}};
  if (e.interval) {
    out["low"] = e.interval->low;
    out["high"] = e.interval->high;
  }
  if (e.interval && e.extremes && e.extremes->interval == *e.interval) out["extremes_coverage"] = e.extremes->coverage;
  if (e.single_run) out["single"] = true;
  return out;
}

AnalysedCase analyse_case(const RunGroup& group, const HtmlOptions& options) {
  AnalysedCase out;
  out.shown = show_case(group);
  out.run_names = name_runs(group.runs);
  out.peak = find_peak(options.peaks, group.device);
  out.price = find_price(options.prices, group.device);
  out.buyer = buyer_numbers(out.summary(), out.price);
  if (out.has_result()) out.bottlenecks = find_bottlenecks(out.summary(), out.peak);
  return out;
}

std::string verdict_sentence(const AnalysedCase& analysed) {
  const CaseSummary& s = analysed.summary();
  const std::string where = analysed.shown.title() + " on " + s.group.device;
  if (!analysed.has_result()) return fmt::format("{} gave no video: {}.", where, analysed.shown.doubt);
  std::string out = fmt::format("{}: {} s a video", where, seconds(s.total_s.median()));
  if (!analysed.shown.doubt.empty()) out += fmt::format(" (not counted: {})", analysed.shown.doubt);
  if (analysed.shown.on_gpu() && analysed.buyer.gpu_share && analysed.buyer.host_share)
    out +=
        fmt::format(", {} s ({:.0f} %) on the GPU and {} s ({:.0f} %) on the host", seconds(s.gpu_part_s.median()),
                    100 * *analysed.buyer.gpu_share, seconds(s.host_part_s.median()), 100 * *analysed.buyer.host_share);
  else
    out += ", all of it on the CPU";
  out += ".";
  const auto largest = std::max_element(analysed.buyer.parts.begin(), analysed.buyer.parts.end(),
                                        [](const TimePart& a, const TimePart& b) { return a.seconds < b.seconds; });
  if (largest != analysed.buyer.parts.end())
    out += fmt::format(" {} takes most: {:.0f} %.", largest->name, 100 * largest->share);
  const auto& what_ifs = analysed.bottlenecks.what_ifs;
  const auto best =
      std::find_if(what_ifs.begin(), what_ifs.end(), [](const WhatIf& what) { return !what.hypothetical; });
  if (best != what_ifs.end() && best->saved_s > 0)
    out += fmt::format(" Most to gain: {}, at most {} s.", best->change, seconds(best->saved_s));
  return out;
}

Json case_data(const AnalysedCase& analysed, const HtmlOptions& options) {
  const CaseSummary& s = analysed.summary();
  const RunRecord& run = *s.example;
  const RunRecord* failed = failed_run(analysed);
  const bool doubted = analysed.shown.stand_in != nullptr;
  Json out = {{"title", analysed.shown.title()},
              {"name", s.group.case_name},
              {"aliases", run.run_case.aliases},
              {"arm", s.group.arm},
              {"device", s.group.device},
              {"engine", s.group.engine},
              {"engine_kind", to_string(run.engine.kind)},
              {"on_gpu", analysed.shown.on_gpu()},
              {"has_result", analysed.has_result()},
              {"counts", analysed.has_result() && !doubted},
              {"status", doubted && failed != nullptr ? to_string(failed->status) : to_string(RunStatus::kOk)},
              {"verdict", verdict_sentence(analysed)},
              {"workload", workload_data(run.workload)},
              {"headline", headline_data(analysed)},
              {"fit", fit_data(analysed)},
              {"certainty", certainty_data(analysed)},
              {"failures", failures_data(analysed)},
              {"provenance", provenance_data(analysed, options)},
              {"imported", imported_data(run)},
              {"video", video_data(analysed, options)},
              {"quality", quality_data(run)}};
  add_details(out, analysed, options);
  return out;
}

}  // namespace wan::report
