#include "report/load.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "analysis/load_text.h"
#include "report/escape.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

constexpr double kSecondsAnHour = 3600;

void add_quantile(Table& table, const std::optional<LoadSpread>& spread, double p) {
  spread ? table.text(with_interval(spread->at(p).value, spread->at(p).interval, 2)) : table.none("not told");
}

void add_number(Table& table, const std::optional<double>& value, double unit, int decimals,
                const std::string& reason) {
  value ? table.text(fmt::format("{:.{}f}", *value / unit, decimals)) : table.none(reason);
}

std::optional<double> mean_of(const std::optional<LoadMean>& mean) {
  return mean ? std::optional(mean->value) : std::nullopt;
}

std::string or_words(const std::string& reason, const char* otherwise) { return reason.empty() ? otherwise : reason; }

std::string load_markdown(const LoadView& view) {
  const LoadTest& test = view.test;
  std::string out = fmt::format("\n## Serving under Load\n\n{}.\n\n", markdown_text(load_head(test)));
  Table rows({"Load", "Completed", "Videos an Hour", "Latency p50(s)", "Latency p90(s)", "Latency p95(s)",
              "Latency p99(s)", "Queue p50(s)", "Service p50(s)", "Within Objective", "Energy Made(J)",
              "Energy with Waiting(J)", "Price"});
  for (const LoadSummary& level : view.levels) {
    rows.begin_row();
    rows.text(level.name());
    rows.text(fmt::format("{} of {}", level.completed, level.asked));
    add_number(rows, level.per_s, 1 / kSecondsAnHour, 1, "fewer than two completed");
    for (const double p : {0.5, 0.9, 0.95, 0.99}) add_quantile(rows, level.latency, p);
    add_quantile(rows, level.queue, 0.5);
    add_quantile(rows, level.service, 0.5);
    if (level.goodput)
      rows.text(fmt::format("{} of {}", level.goodput->within, level.goodput->judged));
    else
      rows.none(level.why_no_goodput);
    add_number(rows, mean_of(level.video_energy_j), 1, 0, or_words(test.why_no_energy, "not told"));
    add_number(rows, level.all_energy_j, 1, 0, or_words(test.why_no_power, "no readings over the whole level"));
    add_number(rows, mean_of(level.price), 1, 4, or_words(test.why_no_price, "not told"));
  }
  out += rows.markdown() + "\n";
  for (const LoadSummary& level : view.levels) {
    out += fmt::format("- **{}**\n", markdown_text(level.name()));
    for (const std::string& line : load_sentences(level, test)) out += fmt::format("  - {}\n", markdown_text(line));
  }
  for (const std::string& line : load_notes(test, view.levels)) out += fmt::format("\n{}.\n", markdown_text(line));
  return out + "\n";
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json number(const std::optional<double>& value, const std::string& reason) {
  return value ? Json{{"value", *value}} : Json{{"value", nullptr}, {"reason", reason}};
}

Json spread_data(const std::optional<LoadSpread>& spread) {
  if (!spread) return nullptr;
  Json list = Json::array();
  for (const LoadQuantile& one : spread->quantiles)
    list.push_back(
        {{"p", one.p}, {"value", one.value}, {"low", or_null(one.interval.low)}, {"high", or_null(one.interval.high)}});
  return {{"count", spread->count}, {"mean", spread->mean}, {"quantiles", std::move(list)}};
}

Json level_data(const LoadSummary& level, const LoadTest& test) {
  Json json = {
      {"name", level.name()},
      {"is_closed", level.level->mode == LoadMode::kClosed},
      {"asked", level.asked},
      {"completed", level.completed},
      {"latency", spread_data(level.latency)},
      {"queue", spread_data(level.queue)},
      {"service", spread_data(level.service)},
      {"per_s", number(level.per_s, "fewer than two completed")},
      {"video_energy_j", number(mean_of(level.video_energy_j), or_words(test.why_no_energy, "not told"))},
      {"all_energy_j", number(level.all_energy_j, or_words(test.why_no_power, "no readings over the whole level"))},
      {"price", number(mean_of(level.price), or_words(test.why_no_price, "not told"))},
      {"sentences", load_sentences(level, test)}};
  json["goodput"] =
      level.goodput
          ? Json{{"within", level.goodput->within},
                 {"judged", level.goodput->judged},
                 {"share", static_cast<double>(level.goodput->within) / static_cast<double>(level.goodput->judged)}}
          : Json{{"reason", level.why_no_goodput}};
  return json;
}

}  // namespace

std::string loads_markdown(const ReportView& view) {
  std::string out;
  for (const LoadView& load : view.loads) out += load_markdown(load);
  return out;
}

Json loads_data(const ReportView& view) {
  Json list = Json::array();
  for (const LoadView& load : view.loads) {
    Json json = {{"head", load_head(load.test)},
                 {"currency", load.test.currency},
                 {"notes", load_notes(load.test, load.levels)},
                 {"levels", Json::array()}};
    for (const LoadSummary& level : load.levels) json["levels"].push_back(level_data(level, load.test));
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace wan::report
