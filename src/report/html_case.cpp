// The buyer's part of a case's data, how sure it is, and where it comes from.
#include "report/html_case.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/answer.h"
#include "analysis/execution_text.h"
#include "analysis/fidelity_text.h"
#include "analysis/plain_words.h"
#include "analysis/repeat_command.h"
#include "analysis/reuse_text.h"
#include "base/base64.h"
#include "report/answer.h"
#include "report/case_section.h"
#include "report/fidelity.h"
#include "report/format.h"
#include "report/html_engineer.h"
#include "report/imported.h"
#include "report/kernels.h"
#include "results/store.h"

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

Json price_data(const CaseView& shown) {
  Json out = {{"gpu_hours", or_null(shown.buyer.gpu_hours)},
              {"per_gpu_hour", nullptr},
              {"per_video", nullptr},
              {"currency", shown.price != nullptr ? shown.price->currency : "USD"},
              {"reason", shown.buyer.no_cost_reason}};
  if (!shown.buyer.cost) return out;
  out["per_gpu_hour"] = *shown.price->per_gpu_hour;
  out["per_video"] = shown.buyer.cost->money;
  out["date"] = shown.price->date;
  out["source"] = shown.price->source;
  return out;
}

Json headline_data(const CaseView& shown) {
  Json parts = Json::array();
  for (const TimePart& part : shown.buyer.parts)
    parts.push_back(
        {{"name", part.name}, {"place", to_string(part.place)}, {"seconds", part.seconds}, {"share", part.share}});
  return {{"seconds", quantity_data(shown.numbers().total_s)},
          {"videos_per_hour", quantity_data(shown.buyer.videos_per_hour)},
          {"energy_wh", quantity_data(shown.buyer.energy_wh)},
          {"price", price_data(shown)},
          {"parts", std::move(parts)},
          {"gpu_share", or_null(shown.buyer.gpu_share)},
          {"host_share", or_null(shown.buyer.host_share)}};
}

/// "run 2": the run as the page calls it. Its own `repeat` starts again in each of several folders shown as one.
std::string run_name(const CaseView& shown, const RunRecord& run) {
  const auto found = shown.run_names.find(run.id);
  return found == shown.run_names.end() ? "run" : found->second;
}

/// "fits", "out of memory", or why neither can be said.
Json fit_data(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  const RunRecord* not_ok = shown.not_ok;
  Json out = {{"state", to_string(shown.fit)},
              {"peak", quantity_data(shown.on_gpu ? s.peak_device_bytes : s.peak_host_bytes)},
              {"of", shown.on_gpu ? "GPU memory" : "process memory"},
              {"predicted_peak_bytes", nullptr}};
  if (s.example->predicted_peak_bytes.has()) out["predicted_peak_bytes"] = *s.example->predicted_peak_bytes.value;
  const bool out_of_memory = not_ok != nullptr && not_ok->status == RunStatus::kOutOfMemory;
  if (out_of_memory && not_ok->error && !not_ok->error->advice.empty()) out["advice"] = not_ok->error->advice;
  const auto& room = shown.bottlenecks.headroom;
  if (shown.fit != FitState::kFits || !room) return out;
  out["capacity_bytes"] = room->capacity_bytes;
  out["free_bytes"] = room->free_bytes;
  out["free_percent"] = room->free_percent;
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

Json certainty_data(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  Json exclusions = Json::array(), flags = Json::array();
  for (const Exclusion& exclusion : shown.excluded())
    exclusions.push_back(
        {{"run_id", exclusion.run->id},
         {"run", run_name(shown, *exclusion.run)},
         {"beside", exclusion.run->run_case.warmup || exclusion.run->kernels || exclusion.run->fidelity},
         {"words", plain_reason(exclusion.reason)},
         {"reason", exclusion.reason}});
  std::set<std::pair<std::string, std::string>> seen;
  for (const RunRecord* run : s.group.runs)
    for (const ValidityFlag& flag : run->validity)
      if (seen.insert({flag.name, flag.detail}).second)
        flags.push_back({{"name", flag.name},
                         {"words", plain_flag(flag.name)},
                         {"detail", flag.detail},
                         {"stage", flag.stage},
                         {"excludes", flag.excludes},
                         {"run", run_name(shown, *run)}});
  const RunRecord& run = *s.example;
  return {{"runs_cell", runs_cell(shown)},
          {"runs", shown.runs},
          {"used", shown.counted},
          {"single_run", s.total_s.has() && s.total_s.estimate->single_run},
          {"converged", s.converged},
          {"not_converged", s.not_converged},
          {"doubt", shown.doubt()},
          {"doubt_words", shown.failed ? plain_reason(shown.doubt()) : ""},
          {"executed", execution_text(s.group.execution)},
          {"reused", reuse_text(run)},
          {"reuse_letters", reuse_letters(run)},
          {"forwards", forwards_data(run)},
          {"fidelity", fidelity_text(run)},
          {"mixed", pooling_doubts(s.group)},
          {"exclusions", std::move(exclusions)},
          {"flags", std::move(flags)},
          {"marker_source", run.engine.marker_source},
          {"sm_source", source_of(shown.whole().sm_active_percent)},
          {"memory_source", source_of(shown.on_gpu ? s.peak_device_bytes : s.peak_host_bytes)},
          {"energy_source", source_of(s.energy_j)},
          {"unattributed_share", quantity_data(s.unattributed_share)},
          {"overhead_percent", measured_data(run.overhead_percent)},
          {"clock_residual_ns", measured_data(run.clock.gpu_residual_ns)}};
}

/// Runs that did not end well, those that were made to be compared among them; of these also what refutes the class.
Json failures_data(const CaseView& shown) {
  Json out = Json::array();
  const RunGroup& group = shown.summary.group;
  std::vector<const RunRecord*> runs = group.runs;
  for (const RunRecord* run : group.judged)
    if (std::find(runs.begin(), runs.end(), run) == runs.end()) runs.push_back(run);
  for (const RunRecord* run : runs) {
    const std::string refuted = run->fidelity ? FidelityView{run, ""}.refuted() : "";
    if (run->status == RunStatus::kOk && refuted.empty()) continue;
    Json row = {{"run_id", run->id},
                {"run", run_name(shown, *run)},
                {"status", to_string(run->status)},
                {"words", refuted.empty() ? plain_status(run->status) : "class refuted"}};
    if (!refuted.empty()) row["message"] = refuted;
    if (run->error) {
      row["stage"] = run->error->stage;
      if (refuted.empty()) row["message"] = run->error->message;
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
          {"recipe", work.recipe},
          {"steps", or_null(work.steps)},
          {"solver", work.solver},
          {"shift", or_null(work.shift)},
          {"guidance_low", or_null(work.guidance_low)},
          {"guidance_high", or_null(work.guidance_high)},
          {"boundary", or_null(work.boundary)},
          {"split_step", or_null(work.split_step)},
          {"seed", work.seed ? Json(std::to_string(*work.seed)) : Json(nullptr)},  // 64 bits do not fit a JS number
          {"prompt", work.prompt},
          {"negative_prompt", work.negative_prompt},
          {"precision_class", to_string(work.precision_class)},
          {"loras", loras_text(work)},
          {"images", images_text(work)},
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

Json provenance_data(const CaseView& shown, const HtmlOptions& options) {
  const RunRecord& run = shown.example();
  Json gpus = Json::array(), runs = Json::array();
  for (const GpuInfo& gpu : run.system.gpus) gpus.push_back(gpu_data(gpu));
  for (const RunRecord* each : shown.summary.group.runs) {
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
          {"repeat_command", repeat_command(shown.numbers())},
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
Json video_data(const CaseView& shown, const HtmlOptions& options) {
  if (options.folder.empty()) return nullptr;
  for (const RunRecord* run : shown.summary.group.runs) {
    const std::filesystem::path file = run->output.file;
    Json path = path_data(file);
    if (path.is_null() || run->run_case.warmup) continue;
    if (!file_inside(options.folder, file)) continue;
    return {{"run", run_name(shown, *run)},
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

void add_details(Json& out, const CaseView& shown, const HtmlOptions& options) {
  if (shown.numbers().stages.empty()) return;
  const RunRecord& typical = *shown.typical;
  out["scopes"] = scopes_data(shown.numbers());
  out["stages"] = stage_table_data(shown);
  out["steps"] = steps_data(shown);
  out["timeline"] =
      timeline_data(typical, drawable_samples(typical, options), of_run(options.beside.spans, typical.id));
  out["timeline"]["run"] = run_name(shown, typical);
  out["roofline"] = roofline_data(shown.roof, shown.peak);
  out["memory"] = memory_data(shown.memory);
  out["analysis"] = analysis_data(shown.bottlenecks);
  out["kernels"] = kernels_data(shown.traced);
}

/// The case in one sentence: seconds, how much of it on the card and on the host, the largest part and its bound.
std::string verdict_sentence(const CaseView& shown) {
  const CaseSummary& s = shown.numbers();
  const std::string where = shown.title + " on " + s.group.device;
  if (!shown.has_result()) return fmt::format("{} gave no video: {}.", where, plain_reason(shown.doubt()));
  std::string out = fmt::format("{}: {} s a video", where, seconds(s.total_s.median()));
  if (shown.failed) out += fmt::format(" ({})", plain_reason(shown.doubt()));
  if (shown.on_gpu && shown.buyer.gpu_share && shown.buyer.host_share)
    out += fmt::format(", {} s ({:.0f} %) on the GPU and {} s ({:.0f} %) on the host", seconds(s.gpu_part_s.median()),
                       100 * *shown.buyer.gpu_share, seconds(s.host_part_s.median()), 100 * *shown.buyer.host_share);
  else if (!shown.on_gpu)
    out += ", all of it on the CPU";
  out += ".";
  if (shown.largest_part)
    out += fmt::format(" {} takes most: {:.0f} %.", shown.largest_part->name, 100 * shown.largest_part->share);
  const auto& what_ifs = shown.bottlenecks.what_ifs;
  const auto best =
      std::find_if(what_ifs.begin(), what_ifs.end(), [](const WhatIf& what) { return !what.hypothetical; });
  if (best != what_ifs.end() && best->saved_s > 0)
    out += fmt::format(" Most to gain: {}, at most {} s.", best->change, seconds(best->saved_s));
  return out;
}

}  // namespace

Json path_data(const std::filesystem::path& file) {
  if (file.empty() || file.is_absolute() || std::find(file.begin(), file.end(), "..") != file.end()) return nullptr;
  Json path = Json::array();
  for (const auto& component : file) path.push_back(component.string());
  return path;
}

Json forwards_data(const RunRecord& run) {
  if (!run.forwards.has() || run.forwards.value->reused == 0) return nullptr;
  return {{"cond", run.forwards.value->cond}, {"uncond", run.forwards.value->uncond}};
}

Json quantity_data(const Quantity& quantity) {
  if (!quantity.has()) return {{"value", nullptr}, {"reason", explain(quantity.reason)}};
  const Estimate& e = *quantity.estimate;
  Json out = {{"value", e.median}, {"runs", e.runs}, {"source", quantity.source}};
  if (e.interval) {
    out["low"] = e.interval->low;
    out["high"] = e.interval->high;
  }
  if (is_of_extremes(e)) out["extremes_coverage"] = e.extremes->coverage;
  if (e.single_run) out["single"] = true;
  return out;
}

bool is_of_extremes(const Estimate& estimate) {
  return estimate.interval && estimate.extremes && estimate.extremes->interval == *estimate.interval;
}

Json case_data(const CaseView& shown, const HtmlOptions& options) {
  const RunGroup& group = shown.summary.group;
  const RunRecord& run = shown.example();
  Json out = {{"title", shown.title},
              {"name", group.case_name},
              {"aliases", run.run_case.aliases},
              {"arm", group.arm},
              {"device", group.device},
              {"engine", group.engine},
              {"engine_kind", to_string(run.engine.kind)},
              {"on_gpu", shown.on_gpu},
              {"has_result", shown.has_result()},
              {"counts", shown.has_result() && !shown.failed},
              {"status", to_string(shown.status())},
              {"status_words", plain_status(shown.status())},
              {"sureness", to_string(sureness_of(shown))},
              {"facts", facts_data(facts_of(shown))},
              {"verdict", verdict_sentence(shown)},
              {"workload", workload_data(run.workload)},
              {"headline", headline_data(shown)},
              {"fit", fit_data(shown)},
              {"certainty", certainty_data(shown)},
              {"failures", failures_data(shown)},
              {"provenance", provenance_data(shown, options)},
              {"imported", imported_data(run)},
              {"video", video_data(shown, options)},
              {"quality", quality_data(run)},
              {"refuted", shown.refuted},
              {"fidelity_cell", fidelity_cell_data(shown)},
              {"why_no_fidelity", shown.fidelity.empty() ? why_no_fidelity(group) : ""},
              {"is_judged", !group.judged.empty()},
              {"fidelity", fidelity_data(shown, options)}};
  add_details(out, shown, options);
  return out;
}

}  // namespace wan::report
