// Columns as JSON arrays.
#include "results/samples.h"

#include <fmt/format.h>

#include <algorithm>
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

SampleSeries series_from(const Json& json) {
  SampleSeries series{json.at("name").get<std::string>(), {}, {}, {}};
  series.begin_ns = json_numbers(json.at("begin_ns"), "begin_ns", kTimes);
  series.end_ns = json_numbers(json.at("end_ns"), "end_ns", kTimes);
  series.values = json_numbers<double>(json.at("values"), "values");
  require(series.begin_ns.size() == series.values.size() && series.end_ns.size() == series.values.size(),
          fmt::format("series {}: columns of unequal length", series.name));
  for (size_t i = 0; i < series.values.size(); ++i)
    require(series.begin_ns[i] <= series.end_ns[i] && (i == 0 || series.begin_ns[i - 1] <= series.begin_ns[i]),
            fmt::format("series {}: times out of order", series.name));
  return series;
}

}  // namespace

std::string samples_to_json(const SampleSet& samples) {
  Json series = Json::array();
  for (const SampleSeries& s : samples.series)
    series.push_back({{"name", s.name}, {"begin_ns", s.begin_ns}, {"end_ns", s.end_ns}, {"values", s.values}});
  return Json{{"format", kSamplesFormat}, {"period_ms", samples.period_ms}, {"series", std::move(series)}}.dump() +
         "\n";
}

SampleSet samples_from_json(std::string_view text, const std::string& file_name) {
  const Json json = parse_json(text, file_name);
  try {
    require(json.at("format") == kSamplesFormat, fmt::format("expected format {}", kSamplesFormat));
    SampleSet samples;
    samples.period_ms = json.at("period_ms").get<double>();
    for (const Json& series : json.at("series")) samples.series.push_back(series_from(series));
    return samples;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: not a file of samples: {}", file_name, error.what()));
  }
}

void store_samples(const fs::path& folder, RunRecord& record, const SampleSet& samples) {
  if (samples.series.empty()) return;
  const std::string name = run_file_stem(record) + ".samples.json";
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  write_atomically(folder / name, samples_to_json(samples));
  int64_t count = 0;
  for (const SampleSeries& series : samples.series) count = std::max(count, static_cast<int64_t>(series.values.size()));
  record.samples = SamplesReference{name, kSamplesFormat, count, samples.period_ms};
}

std::optional<SampleSet> load_samples(const fs::path& record_file, const RunRecord& record) {
  if (!record.samples || record.samples->format != kSamplesFormat) return std::nullopt;
  const std::optional<fs::path> file = file_beside(record_file, record.samples->file);
  if (!file) return std::nullopt;
  return samples_from_json(read_text(*file), file->string());
}

}  // namespace wan
