// The page's data: the cases, what they say of each other, and the tables of imported reports.
#include <algorithm>
#include <deque>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/compare.h"
#include "base/build_info.h"
#include "report/cards.h"
#include "report/format.h"
#include "report/html.h"
#include "report/html_case.h"
#include "report/imported.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

Json interval_data(const std::optional<Interval>& interval) {
  return interval ? Json{interval->low, interval->high} : Json(nullptr);
}

/// "B against A", B being the one that takes less.
std::string comparison_sentence(const Comparison& c) {
  const SpeedupSplit& split = *c.split;
  std::string out = fmt::format("{}: {} against {}: whole job {:.2f}x, GPU part {:.2f}x, host part {:.2f}x",
                                c.case_name, c.b->group.device, c.a->group.device, split.total, split.gpu, split.host);
  if (!c.scopes.empty()) {
    const RatioTest& test = c.scopes.front().time;
    out += fmt::format(" ({}{}{})", to_string(test.verdict), test.reason.empty() ? "" : ": ", test.reason);
  }
  return out + fmt::format(". Of {} s saved, {} s are the GPU's and {} s the host's.", seconds(split.saved_s),
                           seconds(split.saved_gpu_s), seconds(split.saved_host_s));
}

/// B against A, or A against B where B is the slower one: sentences about savings read better.
Comparison compare(const AnalysedCase& a, const AnalysedCase& b) {
  CompareOptions options;
  options.allowed_fields = {"*"};
  options.across_precision = true;
  Comparison c = compare_cases(a.summary(), b.summary(), options);
  if (c.comparable() && c.split && c.split->saved_s < 0) c = compare_cases(b.summary(), a.summary(), options);
  return c;
}

Json comparison_data(const AnalysedCase& first, const AnalysedCase& second) {
  const Comparison c = compare(first, second);
  Json out = {{"case", first.shown.title()}, {"a", c.a->group.device},      {"b", c.b->group.device},
              {"refusals", c.refusals},      {"caveats", c.caveats},        {"sentence", nullptr},
              {"rows", Json::array()},       {"differences", Json::array()}};
  for (const FieldDifference& field : c.workload.different)
    out["differences"].push_back({{"field", field.field}, {"a", field.a}, {"b", field.b}});
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
                           {"reason", row.time.reason},
                           {"clock_explains", row.clock_explains}});
  return out;
}

bool same_work_elsewhere(const AnalysedCase& a, const AnalysedCase& b) {
  return a.shown.title() == b.shown.title() && a.summary().group.device != b.summary().group.device && a.has_result() &&
         b.has_result() && !a.shown.stand_in && !b.shown.stand_in;
}

/// Each case against the first device that ran it too.
Json comparisons_data(const std::deque<AnalysedCase>& cases) {
  Json out = Json::array();
  for (size_t j = 0; j < cases.size(); ++j) {
    const auto first = std::find_if(cases.begin(), cases.begin() + static_cast<long>(j),
                                    [&](const AnalysedCase& a) { return same_work_elsewhere(a, cases[j]); });
    if (first != cases.begin() + static_cast<long>(j)) out.push_back(comparison_data(*first, cases[j]));
  }
  return out;
}

bool is_pair(const AnalysedCase& cold, const AnalysedCase& warm) {
  const RunGroup &a = cold.summary().group, &b = warm.summary().group;
  return cold.summary().example->workload.scope == RunScope::kCold &&
         warm.summary().example->workload.scope == RunScope::kWarm && a.case_name == b.case_name &&
         a.device == b.device && a.engine == b.engine && a.arm == b.arm;
}

Json cold_warm_data(const std::deque<AnalysedCase>& cases) {
  Json out = Json::array();
  for (size_t c = 0; c < cases.size(); ++c)
    for (size_t w = 0; w < cases.size(); ++w) {
      if (!is_pair(cases[c], cases[w])) continue;
      const bool counts = !cases[c].shown.stand_in && !cases[w].shown.stand_in;
      const auto extra = counts ? cold_extra_s(cases[c].summary(), cases[w].summary()) : std::nullopt;
      out.push_back({{"case", cases[c].summary().group.case_name},
                     {"device", cases[c].summary().group.device},
                     {"cold", quantity_data(cases[c].summary().total_s)},
                     {"warm", quantity_data(cases[w].summary().total_s)},
                     {"extra_s", extra ? Json(*extra) : Json(nullptr)}});
    }
  return out;
}

Json built_with() {
  const BuildInfo& build = build_info();
  return {{"version", build.version}, {"revision", build.revision}, {"dirty", build.dirty}};
}

}  // namespace

std::string report_data(const std::vector<const RunRecord*>& records, const HtmlOptions& options) {
  std::deque<AnalysedCase> cases;
  for (const RunGroup& group : group_runs(records)) {
    const bool only_warmups =
        std::all_of(group.runs.begin(), group.runs.end(), [](const RunRecord* run) { return run->run_case.warmup; });
    if (!only_warmups) cases.push_back(analyse_case(group, options));
  }
  std::vector<const ShownCase*> shown;
  for (const AnalysedCase& analysed : cases) shown.push_back(&analysed.shown);
  Json data = {{"schema", {{"name", "wanbench.report"}, {"major", 1}, {"minor", 0}}},
               {"tool", built_with()},
               {"cases", Json::array()},
               {"comparisons", comparisons_data(cases)},
               {"cold_warm", cold_warm_data(cases)},
               {"cards", cards_data(shown)},
               {"printed_overviews", Json::array()}};
  for (const AnalysedCase& analysed : cases) data["cases"].push_back(case_data(analysed, options));
  for (const PrintedTable& table : printed_overviews(records))
    data["printed_overviews"].push_back({{"title", table.title}, {"columns", table.columns}, {"rows", table.rows}});
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace wan::report
