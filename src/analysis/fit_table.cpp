#include "analysis/fit_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/memory.h"
#include "analysis/table_head.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"

namespace wan {
namespace {

using Json = nlohmann::json;

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr Bounds<int64_t> kExtent{1, 1'000'000};
constexpr Bounds<uint64_t> kBytes{1, uint64_t{1} << 44};
constexpr const char* kOfficial = "official";

/// The object of {"value": ...}, or nothing where it is null.
template <class Read>
void read_value(JsonReader& reader, const char* key, const std::string& where, Read read) {
  Json holder = Json::object();
  reader.read(key, holder);
  JsonReader fact(holder, where + ": " + key);
  const Json* value = fact.find("value");
  fact.find("reason");
  fact.refuse_unknown();
  if (value != nullptr && !value->is_null()) read(*value);
}

std::optional<FitPeak> read_peak(JsonReader& reader, const char* key, const std::string& where) {
  std::optional<FitPeak> peak;
  read_value(reader, key, where, [&](const Json& value) {
    JsonReader one(value, where + ": " + key);
    peak = FitPeak{"", 0, kOfficial, ""};
    one.read("residency", peak->residency);
    one.read("peak_device_bytes", peak->bytes, kBytes);
    one.read("recipe", peak->recipe);
    one.read("device", peak->device);
    one.refuse_unknown();
  });
  return peak;
}

FitRow read_row(const Json& json, const std::string& where) {
  JsonReader reader(json, where);
  FitRow row;
  reader.read("model", row.model);
  reader.read("width", row.width, kExtent);
  reader.read("height", row.height, kExtent);
  reader.read("num_frames", row.num_frames, kExtent);
  reader.read("stored_as", row.stored);
  read_value(reader, "page_locked_host_bytes", where, [&](const Json& value) {
    const std::optional<uint64_t> bytes = json_number(value, kBytes);
    if (!bytes) throw reader.wrong("page_locked_host_bytes", describe(kBytes), value);
    row.host_bytes = *bytes;
  });
  const Json* cells = reader.find("cells");
  require(cells != nullptr && cells->is_array() && cells->size() == kFitGib.size(),
          fmt::format("{}: field 'cells' must be a list of {}", where, kFitGib.size()));
  for (size_t i = 0; i < kFitGib.size(); ++i) {
    const std::string place = fmt::format("{}: cell {}", where, i + 1);
    JsonReader cell((*cells)[i], place);
    int64_t gib = 0;
    cell.read("memory_gib", gib);
    require(gib == kFitGib[i], fmt::format("{}: field 'memory_gib' must be {}, found {}", place, kFitGib[i], gib));
    row.cells[i].predicted = read_peak(cell, "predicted", place);
    row.cells[i].published = read_peak(cell, "measured", place);
    cell.refuse_unknown();
  }
  reader.refuse_unknown();
  return row;
}

/// Of the DiT's weights by the name of --stored-as; those of a file by its element types, of which BF16 and wider are
/// one, since they are converted when they are loaded. A LoRA takes memory.
std::string stored_form(const RunRecord& run) {
  constexpr std::string_view kPlain = "bf16", kRandomAs = "random, as ";
  std::string types;
  if (run.execution.has())
    if (const auto found = run.execution.value->stored.find("dit"); found != run.execution.value->stored.end())
      types = found->second;
  std::string form = types;
  if (types.starts_with(kRandomAs)) form = types.substr(kRandomAs.size());
  const bool is_wide = types == "BF16" || types == "F16" || types == "F32" || types == "BF16+F32" || types == "F16+F32";
  if (types.empty() || types == "random" || is_wide) form = kPlain;
  const auto& weights = run.workload.weights;
  const bool has_lora = std::any_of(weights.begin(), weights.end(),
                                    [](const WeightsFile& file) { return file.component.starts_with("lora"); });
  return has_lora ? form + " + LoRA" : form;
}

/// Records before 1.2 say what was asked for alone; then "auto" was resident.
std::string residency_of(const RunRecord& run) {
  if (run.execution.has()) return run.execution.value->residency;
  const std::string& offload = run.workload.offload;
  return offload == "none" || offload == "auto" ? "resident" : offload;
}

/// The highest that the driver said of the process, over all runs that ended well: no flag of a run changes it.
uint64_t highest_peak(const RunGroup& group) {
  uint64_t highest = 0;
  for (const RunRecord* run : group.runs) {
    if (run->status != RunStatus::kOk || run->run_case.warmup) continue;
    for (const StageRecord& stage : run->stages)
      if (const auto& peak = stage.device_memory.process_peak_bytes; peak.has())
        highest = std::max(highest, *peak.value);
  }
  return highest;
}

const RunRecord* out_of_memory(const RunGroup& group) {
  const auto found = std::find_if(group.runs.begin(), group.runs.end(),
                                  [](const RunRecord* run) { return run->status == RunStatus::kOutOfMemory; });
  return found == group.runs.end() ? nullptr : *found;
}

RanOut ran_out(const CaseView& shown, const RunRecord& run) {
  RanOut out{&shown, &run, {}, false};
  if (const auto limit = gpu_memory_limit(run)) {
    out.had_bytes = static_cast<double>(limit->bytes);
    out.is_limit = true;
  } else if (!run.system.gpus.empty() && run.system.gpus[0].memory_bytes.has()) {
    out.had_bytes = static_cast<double>(*run.system.gpus[0].memory_bytes.value);
  }
  return out;
}

auto video_of(const FitRow& row) { return std::tie(row.model, row.width, row.height, row.num_frames, row.stored); }

/// The row of a case's video, made where there is none.
size_t row_of(std::vector<FitRow>& rows, const RunRecord& run) {
  const Workload& work = run.workload;
  FitRow own;
  own.model = work.model;
  own.width = *work.width;
  own.height = *work.height;
  own.num_frames = *work.num_frames;
  own.stored = stored_form(run);
  own.is_predicted = false;
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const FitRow& row) { return video_of(row) == video_of(own); });
  if (found != rows.end()) return static_cast<size_t>(found - rows.begin());
  rows.push_back(std::move(own));
  return rows.size() - 1;
}

bool has_row(const CaseView& shown) {
  const Workload& work = shown.example().workload;
  return shown.on_gpu && shown.example().engine.kind == EngineKind::kNative && !work.model.empty() && work.width &&
         work.height && work.num_frames;
}

/// A run that was free to stream its weights, and ran out all the same.
void mark_ran_out(FitRow& row, const RanOut& out) {
  if (out.run->workload.offload != "auto" || !out.had_bytes) return;
  // What a maker calls 24 GB, a driver has a little less of.
  const double had_gib = std::ceil(*out.had_bytes / kGiB);
  for (size_t i = 0; i < kFitGib.size(); ++i)
    if (kFitGib[i] <= had_gib && !row.cells[i].here) row.cells[i].ran_out = true;
}

/// Rows of the records' models at their sizes; of a model that the table has at other sizes alone, all of them.
void mark_asked(std::vector<FitRow>& rows, const std::deque<CaseView>& cases) {
  for (const CaseView& shown : cases) {
    const Workload& work = shown.example().workload;
    if (!work.width || !work.height) continue;
    const auto mark = [&](auto is_meant) {
      bool any = false;
      for (FitRow& row : rows) {
        if (row.model != work.model || !is_meant(row)) continue;
        row.is_asked = true;
        any = any || row.is_predicted;
      }
      return any;
    };
    const auto is_same = [&](const FitRow& row) { return row.width == work.width && row.height == work.height; };
    if (!mark(is_same)) mark([](const FitRow&) { return true; });
  }
}

void sort_rows(std::vector<FitRow>& rows) {
  std::map<std::string, size_t> models;  // in order of appearance
  for (const FitRow& row : rows) models.try_emplace(row.model, models.size());
  std::stable_sort(rows.begin(), rows.end(), [&](const FitRow& a, const FitRow& b) {
    const auto place = [&](const FitRow& row) {
      return std::tuple(models.at(row.model), row.width * row.height, row.width, row.num_frames);
    };
    return place(a) < place(b);
  });
}

}  // namespace

std::optional<FitPeak> fastest_within(const std::vector<FitPeak>& peaks, uint64_t room_bytes) {
  const auto rank = [](const FitPeak& peak) { return std::tuple(peak.is_resident(), peak.is_official(), peak.bytes); };
  std::optional<FitPeak> best;
  for (const FitPeak& peak : peaks)
    if (peak.bytes <= room_bytes && (!best || rank(peak) > rank(*best))) best = peak;
  return best;
}

std::vector<FitRow> load_fit_rows(const std::filesystem::path& file) {
  const std::string where = file.string();
  const Json json = parse_json(read_text(file, uint64_t{1} << 20), where);
  JsonReader table(json, where);
  require_table(table, where, "wanbench.plan_table");
  const Json* list = table.find("rows");
  if (list == nullptr || !list->is_array()) throw table.error("field 'rows' must be a list");
  std::vector<FitRow> rows;
  for (size_t i = 0; i < list->size(); ++i)
    rows.push_back(read_row((*list)[i], fmt::format("{}: row {}", where, i + 1)));
  return rows;
}

FitView fit_view(const std::deque<CaseView>& cases, const std::vector<FitRow>& table) {
  FitView out{table, {}};
  std::map<size_t, std::vector<FitPeak>> peaks;  // by row
  std::vector<std::pair<size_t, RanOut>> marks;
  for (const CaseView& shown : cases) {
    const RunRecord& run = shown.example();
    const RunRecord* failed = out_of_memory(shown.summary.group);
    if (failed != nullptr) out.ran_out.push_back(ran_out(shown, *failed));
    if (!has_row(shown)) continue;
    const uint64_t highest = highest_peak(shown.summary.group);
    if (highest == 0 && failed == nullptr) continue;
    const size_t row = row_of(out.rows, run);
    const std::string recipe = run.workload.recipe.empty() ? kOfficial : run.workload.recipe;
    if (highest > 0) peaks[row].push_back({residency_of(run), highest, recipe, shown.summary.group.device});
    if (failed != nullptr) marks.emplace_back(row, out.ran_out.back());
  }
  for (const auto& [row, measured] : peaks)
    for (size_t i = 0; i < kFitGib.size(); ++i) out.rows[row].cells[i].here = fastest_within(measured, fit_room(i));
  for (const auto& [row, failed] : marks) mark_ran_out(out.rows[row], failed);
  mark_asked(out.rows, cases);
  sort_rows(out.rows);
  return out;
}

}  // namespace wan
