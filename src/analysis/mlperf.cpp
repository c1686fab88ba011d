#include "analysis/mlperf.h"

#include <utility>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/table_head.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"

namespace wan {
namespace {

using Json = nlohmann::json;

constexpr Bounds<int64_t> kExtent{1, 1'000'000};
constexpr Bounds<int64_t> kCards{1, 100'000};
constexpr Bounds<double> kScale{0, 1000};
constexpr Bounds<double> kSeconds{1e-3, 1e6};
constexpr Bounds<double> kRate{1e-6, 1e6};
constexpr size_t kMostText = 500;  // of a name or a source
constexpr size_t kMostRounds = 20, kMostEntries = 200;

std::string text_of(JsonReader& reader, const char* key) {
  std::string text;
  reader.read(key, text);
  if (text.empty() || text.size() > kMostText)
    throw reader.error(
        fmt::format("field '{}' must be a text of 1 to {} bytes, found {}", key, kMostText, text.size()));
  return text;
}

template <class T>
T number_of(JsonReader& reader, const char* key, const Bounds<T>& bounds) {
  std::optional<T> value;
  reader.read(key, value, bounds);
  if (!value) throw reader.error(fmt::format("field '{}' is missing", key));
  return *value;
}

/// Null: not submitted. An absent key is a mistake.
std::optional<double> number_or_null(JsonReader& reader, const char* key, const Bounds<double>& bounds) {
  const Json* found = reader.find(key);
  if (found != nullptr && found->is_null()) return std::nullopt;
  return number_of(reader, key, bounds);
}

const Json& list_of(JsonReader& reader, const char* key, size_t most) {
  const Json* list = reader.find(key);
  if (list == nullptr || !list->is_array() || list->empty() || list->size() > most)
    throw reader.error(fmt::format("field '{}' must be a list of 1 to {} objects", key, most));
  return *list;
}

MlperfWorkload read_workload(JsonReader& table, const std::string& where) {
  const Json* found = table.find("workload");
  if (found == nullptr) throw table.error("field 'workload' is missing");
  JsonReader reader(*found, where + ": workload");
  MlperfWorkload workload;
  workload.model = text_of(reader, "model");
  workload.width = number_of(reader, "width", kExtent);
  workload.height = number_of(reader, "height", kExtent);
  workload.num_frames = number_of(reader, "num_frames", kExtent);
  workload.steps = number_of(reader, "steps", kExtent);
  workload.guidance_scale = number_of(reader, "guidance_scale", kScale);
  workload.guidance_scale_2 = number_of(reader, "guidance_scale_2", kScale);
  reader.refuse_unknown();
  return workload;
}

MlperfEntry read_entry(JsonReader& reader, const std::string& round) {
  MlperfEntry entry;
  entry.round = round;
  entry.submitter = text_of(reader, "submitter");
  entry.platform = text_of(reader, "platform");
  entry.card = text_of(reader, "card");
  entry.cards = number_of(reader, "cards", kCards);
  entry.weights = text_of(reader, "weights");
  entry.single_stream_s = number_or_null(reader, "single_stream_s", kSeconds);
  entry.offline_per_s = number_or_null(reader, "offline_per_s", kRate);
  reader.refuse_unknown();
  return entry;
}

void read_round(const Json& json, const std::string& where, MlperfTable& table) {
  JsonReader reader(json, where);
  const MlperfSource source{text_of(reader, "round"), text_of(reader, "source")};
  const Json& entries = list_of(reader, "entries", kMostEntries);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonReader entry(entries[i], fmt::format("{}: entry {}", where, i + 1));
    table.entries.push_back(read_entry(entry, source.round));
  }
  reader.refuse_unknown();
  table.sources.push_back(source);
}

bool is_same_work(const Workload& work, const MlperfWorkload& asked) {
  return work.model == asked.model && work.width == asked.width && work.height == asked.height &&
         work.num_frames == asked.num_frames && work.steps == asked.steps &&
         work.guidance_high == asked.guidance_scale && work.guidance_low == asked.guidance_scale_2 &&
         work.approximations.empty();
}

/// "DiT bf16, VAE fp32", of what the record says.
std::string precision_text(const Workload& work) {
  std::string text;
  for (const auto& [key, name] : {std::pair("dit", "DiT"), std::pair("vae", "VAE")}) {
    const auto found = work.dtypes.find(key);
    if (found == work.dtypes.end()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, found->second);
  }
  return text.empty() ? "not recorded" : text;
}

/// `times` as much.
Quantity scaled(Quantity quantity, double times) {
  if (!quantity.has()) return quantity;
  const auto scale = [&](Interval& interval) { interval = {interval.low * times, interval.high * times}; };
  quantity.estimate->median *= times;
  if (quantity.estimate->interval) scale(*quantity.estimate->interval);
  if (quantity.estimate->extremes) scale(quantity.estimate->extremes->interval);
  return quantity;
}

}  // namespace

MlperfTable load_mlperf(const std::filesystem::path& file) {
  const std::string where = file.string();
  const Json json = parse_json(read_text(file, uint64_t{1} << 20), where);
  JsonReader reader(json, where);
  require_table(reader, where, "wanbench.mlperf");
  MlperfTable table;
  table.benchmark = text_of(reader, "benchmark");
  table.division = text_of(reader, "division");
  table.workload = read_workload(reader, where);
  const Json& rounds = list_of(reader, "rounds", kMostRounds);
  for (size_t i = 0; i < rounds.size(); ++i) read_round(rounds[i], fmt::format("{}: round {}", where, i + 1), table);
  reader.refuse_unknown();
  return table;
}

std::optional<double> single_stream_card_seconds(const MlperfEntry& entry) {
  if (!entry.single_stream_s) return std::nullopt;
  return static_cast<double>(entry.cards) * *entry.single_stream_s;
}

std::optional<double> offline_card_seconds(const MlperfEntry& entry) {
  if (!entry.offline_per_s) return std::nullopt;
  return static_cast<double>(entry.cards) / *entry.offline_per_s;
}

MlperfView mlperf_view(const std::deque<CaseView>& cases, MlperfTable table) {
  MlperfView view{std::move(table), {}};
  for (const CaseView& shown : cases) {
    if (shown.failed || !shown.on_gpu || !shown.has_result()) continue;
    const RunRecord& run = shown.example();
    const auto cards = static_cast<int64_t>(run.system.gpus.size());
    if (run.engine.kind == EngineKind::kImported || cards == 0 || !is_same_work(run.workload, view.table.workload))
      continue;
    const bool is_warm = run.workload.scope == RunScope::kWarm;
    const CaseSummary& numbers = shown.numbers();
    MlperfCase& own = view.cases.emplace_back();
    own.shown = &shown;
    own.cards = cards;
    own.precision = precision_text(run.workload);
    own.seconds = is_warm ? numbers.total_s : numbers.warm_total_s;
    own.card_seconds = scaled(own.seconds, static_cast<double>(cards));
    own.has_output_file = is_warm;
  }
  return view;
}

}  // namespace wan
