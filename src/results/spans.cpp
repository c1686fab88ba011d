// Spans as columns of numbers.
#include "results/spans.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "results/store.h"

namespace wan {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

bool is_part(const StageRecord& stage) {
  return stage.kind == StageKind::kHidden || stage.kind == StageKind::kComponent;
}

/// "Step_0_Inference/h2d" of "Step_0_Inference/h2d#12", as the rows of one part were numbered.
std::string without_number(const std::string& id) {
  const size_t mark = id.rfind('#');
  if (mark == std::string::npos || mark + 1 == id.size()) return id;
  const bool numbered = std::all_of(id.begin() + static_cast<std::ptrdiff_t>(mark) + 1, id.end(),
                                    [](unsigned char c) { return std::isdigit(c) != 0; });
  return numbered ? id.substr(0, mark) : id;
}

/// A sum is known where all of it is.
template <class T>
void add(Measured<T>& sum, const Measured<T>& value) {
  if (!sum.has()) return;
  if (value.has())
    *sum.value += *value.value;
  else
    sum = value;
}

void add(StageRecord& sum, const StageRecord& row) {
  sum.count += row.count;
  sum.wall_ns += row.wall_ns;
  add(sum.gpu_ns, row.gpu_ns);
  add(sum.exposed_copy_ns, row.exposed_copy_ns);
  add(sum.hidden_copy_ns, row.hidden_copy_ns);
  add(sum.moved_bytes, row.moved_bytes);
  add(sum.flops, row.flops);
  for (const std::string& flag : row.flags)
    if (std::find(sum.flags.begin(), sum.flags.end(), flag) == sum.flags.end()) sum.flags.push_back(flag);
}

void keep(PartSpans& part, const StageRecord& row) {
  if (row.begin_ns.has()) part.spans.push_back({*row.begin_ns.value, row.wall_ns, row.moved_bytes.value});
}

PartSpans part_from(const Json& json) {
  PartSpans part{json.at("id").get<std::string>(), {}};
  const auto begins = json_numbers(json.at("begin_ns"), "begin_ns", kTimes);
  const auto walls = json_numbers(json.at("wall_ns"), "wall_ns", Bounds<int64_t>{0, kMostNs});
  const Json& bytes = json.at("moved_bytes");
  require(begins.size() == walls.size() && bytes.is_array() && bytes.size() == begins.size(),
          fmt::format("part {}: columns of unequal length", part.id));
  for (size_t i = 0; i < begins.size(); ++i) {
    part.spans.push_back({begins[i], walls[i], {}});
    if (bytes[i].is_null()) continue;
    part.spans.back().moved_bytes = json_number<uint64_t>(bytes[i]);
    require(part.spans.back().moved_bytes.has_value(), fmt::format("part {}: bytes that are no whole number", part.id));
  }
  return part;
}

}  // namespace

SpanSet sum_up_parts(std::vector<StageRecord>& stages) {
  using Key = std::tuple<std::string_view, std::string_view, StageKind>;
  std::map<Key, std::vector<size_t>> groups;
  for (size_t i = 0; i < stages.size(); ++i)
    if (is_part(stages[i])) groups[{stages[i].parent, stages[i].name, stages[i].kind}].push_back(i);
  SpanSet out;
  std::vector<bool> gone(stages.size(), false);
  std::map<size_t, PartSpans> parts;  // by the row that stays
  for (const auto& [key, rows] : groups) {
    if (rows.size() < 2) continue;
    StageRecord& sum = stages[rows.front()];
    sum.id = without_number(sum.id);
    PartSpans& part = parts[rows.front()];
    part.id = sum.id;
    keep(part, sum);
    for (size_t i = 1; i < rows.size(); ++i) {
      keep(part, stages[rows[i]]);
      add(sum, stages[rows[i]]);
      gone[rows[i]] = true;
    }
    sum.begin_ns = absent<int64_t>("several_spans");
  }
  for (auto& [row, part] : parts) out.parts.push_back(std::move(part));
  if (out.parts.empty()) return out;
  std::vector<StageRecord> kept;
  for (size_t i = 0; i < stages.size(); ++i)
    if (!gone[i]) kept.push_back(std::move(stages[i]));
  stages = std::move(kept);
  return out;
}

std::string spans_to_json(const SpanSet& set) {
  Json parts = Json::array();
  for (const PartSpans& part : set.parts) {
    Json begins = Json::array(), walls = Json::array(), bytes = Json::array();
    for (const PartSpan& span : part.spans) {
      begins.push_back(span.begin_ns);
      walls.push_back(span.wall_ns);
      bytes.push_back(span.moved_bytes ? Json(*span.moved_bytes) : Json(nullptr));
    }
    parts.push_back({{"id", part.id},
                     {"begin_ns", std::move(begins)},
                     {"wall_ns", std::move(walls)},
                     {"moved_bytes", std::move(bytes)}});
  }
  return Json{{"format", kSpansFormat}, {"parts", std::move(parts)}}.dump() + "\n";
}

SpanSet spans_from_json(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  try {
    require(json.at("format") == kSpansFormat, fmt::format("expected format {}", kSpansFormat));
    SpanSet set;
    for (const Json& part : json.at("parts")) set.parts.push_back(part_from(part));
    return set;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: not a file of spans: {}", where, error.what()));
  }
}

void store_spans(const fs::path& folder, RunRecord& record) {
  const SpanSet spans = sum_up_parts(record.stages);
  if (spans.parts.empty()) return;
  const std::string name = run_file_stem(record) + ".spans.json";
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  write_atomically(folder / name, spans_to_json(spans));
  record.spans_file = name;
}

std::optional<SpanSet> load_spans(const fs::path& record_file, const RunRecord& record) {
  const std::optional<fs::path> file = file_beside(record_file, record.spans_file);
  if (!file) return std::nullopt;
  return spans_from_json(read_text(*file), file->string());
}

}  // namespace wan
