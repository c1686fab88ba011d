// The page's data: the cases, what they say of each other, and the tables of imported reports.
#include <algorithm>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/plain_words.h"
#include "base/build_info.h"
#include "report/ablation.h"
#include "report/answer.h"
#include "report/cards.h"
#include "report/fidelity.h"
#include "report/fit.h"
#include "report/format.h"
#include "report/html.h"
#include "report/html_case.h"
#include "report/html_data.h"
#include "report/imported.h"
#include "report/load.h"
#include "report/mlperf.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

Json interval_data(const std::optional<Interval>& interval) {
  return interval ? Json{interval->low, interval->high} : Json(nullptr);
}

/// What tells two sides apart: their devices, with their programs unless both are our own engine on two devices.
std::string side_name(const CaseSummary& side, const CaseSummary& other) {
  const bool device_suffices = side.example->engine.kind == EngineKind::kNative &&
                               side.group.engine == other.group.engine && side.group.device != other.group.device;
  return device_suffices ? side.group.device : side.group.engine + " on " + side.group.device;
}

/// " Not the same work: steps 5 against 10." or nothing; no more than the first three fields.
std::string difference_sentence(const Comparison& c) {
  constexpr size_t kMost = 3;
  const auto& fields = c.workload.different;
  std::string out;
  for (size_t i = 0; i < std::min(fields.size(), kMost); ++i)
    out += fmt::format("{}{} {} against {}", i > 0 ? ", " : " Not the same work: ", fields[i].field, fields[i].b,
                       fields[i].a);
  if (fields.size() > kMost) out += fmt::format(" and {} more", fields.size() - kMost);
  return out.empty() ? out : out + ".";
}

/// "B against A", B being the one that takes less.
std::string comparison_sentence(const Comparison& c) {
  const SpeedupSplit& split = *c.split;
  std::string out = fmt::format("{}: {} against {}: whole job {:.2f}x, GPU part {:.2f}x, host part {:.2f}x",
                                c.case_name + circumstances(*c.b), side_name(*c.b, *c.a), side_name(*c.a, *c.b),
                                split.total, split.gpu, split.host);
  if (!c.scopes.empty()) {
    const RatioTest& test = c.scopes.front().time;
    out += fmt::format(" ({}{}{})", plain_verdict(test), test.reason.empty() ? "" : ": ", test.reason);
  }
  return out + "; " + savings_text(split, seconds) + "." + difference_sentence(c);
}

/// What only one side records, in a sentence for each side; an imported report may not say much of its work.
std::vector<std::string> one_sided(const Comparison& c) {
  std::string fields[2];
  for (const FieldDifference& field : c.workload.unknown) {
    std::string& list = fields[field.a == "-" ? 1 : 0];
    list += (list.empty() ? "" : ", ") + field.field;
  }
  const CaseSummary* sides[2] = {c.a, c.b};
  std::vector<std::string> out;
  for (size_t i = 0; i < 2; ++i)
    if (!fields[i].empty())
      out.push_back(fmt::format("only {} records: {}", side_name(*sides[i], *sides[1 - i]), fields[i]));
  return out;
}

/// The caveats with the sides' names, and one line for all that one side alone records.
std::vector<std::string> named_caveats(const Comparison& c) {
  std::vector<std::string> out;
  for (const Caveat& caveat : c.caveats)
    out.push_back(caveat_text(caveat, side_name(*c.a, *c.b), side_name(*c.b, *c.a)));
  for (std::string& sentence : one_sided(c)) out.push_back(std::move(sentence));
  return out;
}

Json comparison_data(const CasePair& pair) {
  const Comparison& c = pair.comparison;
  Json out = {{"case", pair.title},     {"a", side_name(*c.a, *c.b)},   {"b", side_name(*c.b, *c.a)},
              {"refusals", c.refusals}, {"caveats", named_caveats(c)},  {"sentence", nullptr},
              {"rows", Json::array()},  {"differences", Json::array()}, {"fidelity", Json::array()}};
  for (const FieldDifference& field : c.workload.different)
    out["differences"].push_back({{"field", field.field}, {"a", field.a}, {"b", field.b}});
  for (const ComparedFidelity& fidelity : c.fidelity.measured)
    out["fidelity"].push_back(compared_text(fidelity, side_name(*c.a, *c.b), side_name(*c.b, *c.a)));
  if (!c.comparable()) return out;
  if (c.split) {
    out["sentence"] = comparison_sentence(c);
    out["split"] = {{"total", c.split->total},
                    {"gpu", c.split->gpu},
                    {"host", c.split->host},
                    {"saved_s", c.split->saved_s},
                    {"saved_gpu_s", c.split->saved_gpu_s},
                    {"saved_host_s", c.split->saved_host_s}};
  }
  for (const ComparedRow& row : c.scopes)
    out["rows"].push_back({{"name", row.name},
                           {"a", row.a.median},
                           {"b", row.b.median},
                           {"ratio", row.time.ratio},
                           {"interval", interval_data(row.time.interval)},
                           {"verdict", to_string(row.time.verdict)},
                           {"plain", plain_verdict(row.time)},
                           {"reason", row.time.reason},
                           {"clock_explains", row.clock_explains}});
  return out;
}

Json cold_warm_data(const ColdWarm& pair) {
  return {{"case", pair.cold->title},
          {"device", pair.cold->summary.group.device},
          {"cold", quantity_data(pair.cold->numbers().total_s)},
          {"warm", quantity_data(pair.warm->numbers().total_s)},
          {"extra_s", pair.extra_s ? Json(*pair.extra_s) : Json(nullptr)}};
}

Json built_with() {
  const BuildInfo& build = build_info();
  return {{"version", build.version}, {"revision", build.revision}, {"dirty", build.dirty}};
}

}  // namespace

Json page_data(const ReportView& view, const HtmlOptions& options) {
  Json data = {{"schema", {{"name", "wanbench.report"}, {"major", 1}, {"minor", 0}}},
               {"tool", built_with()},
               {"trace", options.trace},
               {"answer", answer_data(answer_of(view), view)},
               {"cases", Json::array()},
               {"comparisons", Json::array()},
               {"cold_warm", Json::array()},
               {"cards", cards_data(view.cards)},
               {"fit", fit_data(view.fit)},
               {"ablations", ablations_data(view)},
               {"loads", loads_data(view)},
               {"mlperf", mlperf_data(view.mlperf)},
               {"fidelity", fidelity_page_data(view, options)},
               {"printed_overviews", Json::array()}};
  for (const CaseView& shown : view.cases) {
    data["cases"].push_back(case_data(shown, options));
    data["cases"].back()["card"] = card_name(view, shown.summary.group.device);
  }
  for (const CasePair& pair : view.pairs) data["comparisons"].push_back(comparison_data(pair));
  for (const ColdWarm& pair : view.cold_warm) data["cold_warm"].push_back(cold_warm_data(pair));
  for (const PrintedTable& table : printed_overviews(view.records))
    data["printed_overviews"].push_back({{"title", table.title}, {"columns", table.columns}, {"rows", table.rows}});
  return data;
}

std::string text_of(const Json& data) { return data.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string report_data(const ReportView& view, const HtmlOptions& options) {
  return text_of(page_data(view, options));
}

}  // namespace wan::report
