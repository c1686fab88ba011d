#include "report/answer.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/escape.h"
#include "report/format.h"
#include "report/html_case.h"

namespace wan::report {
using Json = nlohmann::json;
namespace {

Json bar_data(const AnswerBar& bar, size_t place) {
  return {{"case", place},
          {"label", bar.label},
          {"sureness", to_string(bar.sureness)},
          {"doubt", bar.doubt},
          {"remarks", bar.remarks},
          {"warning", bar.warning},
          {"seconds", quantity_data(bar.seconds)},
          {"gpu_s", quantity_data(bar.gpu_s)},
          {"money", quantity_data(bar.money)},
          {"currency", bar.currency},
          {"energy_wh", quantity_data(bar.energy_wh)},
          {"date", bar.date},
          {"driver", bar.driver},
          {"fidelity", bar.fidelity},
          {"facts", facts_data(bar.facts)}};
}

std::string joined(const std::vector<Fact>& facts) {
  std::string text;
  for (const Fact& fact : facts)
    if (!fact.value.empty()) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", fact.name, fact.value);
  return text;
}

/// "2026-11-27, driver 580.159.04"
std::string origin(const AnswerBar& bar) {
  return bar.date + (bar.driver.empty() ? "" : (bar.date.empty() ? "driver " : ", driver ") + bar.driver);
}

std::string sureness_text(const AnswerBar& bar) {
  if (!bar.counts()) return bar.doubt;
  std::string text(to_string(bar.sureness));
  if (bar.shown->counted > 1) text += fmt::format(", {} runs", bar.shown->counted);
  if (!bar.warning.empty()) text += "; " + bar.warning;
  return text;
}

const char* head_of(ChartOf of) {
  switch (of) {
    case ChartOf::kArms: return "Side";
    case ChartOf::kCards: return "Card";
    case ChartOf::kPrograms: return "Program";
    case ChartOf::kCases: break;
  }
  return "Case";
}

std::string small_money(double value) { return fmt::format("{:.3g}", value); }

/// Columns that no bar has a value for are left out.
std::string bars_table(const AnswerChart& chart) {
  struct Column {
    std::string head;
    Quantity AnswerBar::*value;
    std::string (*write)(double);
  };
  std::vector<Column> numbers = {{"Seconds a video", &AnswerBar::seconds, seconds},
                                 {"of it on the card", &AnswerBar::gpu_s, seconds},
                                 {"Price (" + chart.bars.front().currency + ")", &AnswerBar::money, small_money},
                                 {"Wh, card", &AnswerBar::energy_wh, seconds}};
  const auto any = [&](auto has) { return std::any_of(chart.bars.begin(), chart.bars.end(), has); };
  std::erase_if(numbers, [&](const Column& column) {
    return !any([&](const AnswerBar& bar) { return (bar.*column.value).has(); });
  });
  const bool has_facts = any([](const AnswerBar& bar) { return !joined(bar.facts).empty(); });
  std::vector<std::string> heads = {head_of(chart.of)};
  for (const Column& column : numbers) heads.push_back(column.head);
  heads.insert(heads.end(), {"How sure", "Measured"});
  const bool has_fidelity = any([](const AnswerBar& bar) { return !bar.fidelity.empty(); });
  if (has_facts) heads.push_back("What differs");
  if (has_fidelity) heads.push_back("Fidelity");
  Table table(heads);
  for (const AnswerBar& bar : chart.bars) {
    table.begin_row();
    table.text(bar.label);
    for (const Column& column : numbers) table.value(bar.*column.value, column.write);
    table.text(sureness_text(bar));
    table.text(origin(bar).empty() ? "–" : origin(bar));
    if (has_facts) table.text(joined(bar.facts));
    if (has_fidelity) table.text(bar.fidelity);
  }
  return table.markdown();
}

}  // namespace

Json facts_data(const std::vector<Fact>& facts) {
  Json out = Json::array();
  for (const Fact& fact : facts) out.push_back({fact.name, fact.value});
  return out;
}

Json answer_data(const Answer& answer, const ReportView& view) {
  std::map<const CaseView*, size_t> places;
  for (const CaseView& shown : view.cases) places.emplace(&shown, places.size());
  Json charts = Json::array();
  for (const AnswerChart& chart : answer.charts) {
    Json bars = Json::array(), gaps = Json::array();
    for (const AnswerBar& bar : chart.bars) bars.push_back(bar_data(bar, places.at(bar.shown)));
    for (const AnswerGap& gap : chart.gaps)
      gaps.push_back({{"case", places.at(gap.shown)}, {"label", gap.label}, {"words", gap.words}});
    charts.push_back({{"of", to_string(chart.of)},
                      {"name", chart.name},
                      {"sentence", chart.sentence},
                      {"verdict", chart.verdict},
                      {"rest", chart.rest},
                      {"shared", facts_data(chart.shared)},
                      {"notes", chart.notes},
                      {"bars", std::move(bars)},
                      {"gaps", std::move(gaps)}});
  }
  return {{"sentence", answer.sentence},
          {"rest", answer.rest},
          {"is_example", answer.is_example},
          {"charts", std::move(charts)}};
}

std::string answer_markdown(const Answer& answer) {
  std::string out = fmt::format("**{}**\n\n", markdown_text(answer.sentence));
  if (!answer.rest.empty()) out += markdown_text(answer.rest) + "\n\n";
  if (answer.charts.empty()) return out;
  const AnswerChart& chart = answer.charts.front();
  out += bars_table(chart);
  const std::string shared = joined(chart.shared);
  out += fmt::format("\n{}, lower is better. {}\n", markdown_text(chart.name),
                     shared.empty() ? "" : "The same in all: " + markdown_text(shared) + ".");
  for (const std::string& note : chart.notes) out += "- " + markdown_text(note) + "\n";
  for (const AnswerGap& gap : chart.gaps)
    out += fmt::format("- {} {}\n", markdown_text(gap.label), markdown_text(gap.words));
  return out + "\n";
}

}  // namespace wan::report
