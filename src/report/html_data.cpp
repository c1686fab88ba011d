// The page's data: the cases, what they say of each other, and the tables of imported reports.
#include <algorithm>
#include <deque>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/cards.h"
#include "analysis/compare.h"
#include "base/build_info.h"
#include "report/cards.h"
#include "report/fit.h"
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
    out += fmt::format(" ({}{}{})", to_string(test.verdict), test.reason.empty() ? "" : ": ", test.reason);
  }
  return out + "; " + savings_text(split, seconds) + "." + difference_sentence(c);
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

Json comparison_data(const AnalysedCase& first, const AnalysedCase& second) {
  const Comparison c = compare(first, second);
  Json out = {{"case", first.shown.title()}, {"a", side_name(*c.a, *c.b)},  {"b", side_name(*c.b, *c.a)},
              {"refusals", c.refusals},      {"caveats", named_caveats(c)}, {"sentence", nullptr},
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

bool is_native(const AnalysedCase& analysed) { return analysed.summary().example->engine.kind == EngineKind::kNative; }

/// Whom a case is set against, among those before it in its row: another program on the same card, the same program on
/// another card (the first such), else the first at all.
std::vector<const AnalysedCase*> others_of(const AnalysedCase& own, const std::vector<const AnalysedCase*>& earlier) {
  const RunGroup& group = own.summary().group;
  std::vector<const AnalysedCase*> others;
  const auto add_first = [&](auto is_meant) {
    const auto found = std::find_if(earlier.begin(), earlier.end(),
                                    [&](const AnalysedCase* other) { return is_meant(other->summary().group); });
    if (found != earlier.end()) others.push_back(*found);
  };
  add_first([&](const RunGroup& other) { return other.device == group.device && other.engine != group.engine; });
  add_first([&](const RunGroup& other) { return other.device != group.device && other.engine == group.engine; });
  if (others.empty() && !earlier.empty()) others.push_back(earlier.front());
  return others;
}

/// Those that our own engine is part of come first, of them the pairs on one card: these say what the program does.
Json comparisons_data(const std::deque<AnalysedCase>& cases) {
  std::vector<const AnalysedCase*> counted;
  std::vector<const CaseSummary*> summaries;
  for (const AnalysedCase& analysed : cases) {
    if (!analysed.has_result() || analysed.shown.stand_in) continue;
    counted.push_back(&analysed);
    summaries.push_back(&analysed.summary());
  }
  std::vector<std::pair<const AnalysedCase*, const AnalysedCase*>> pairs;
  for (const CardRow& row : card_table(summaries).rows) {
    std::vector<const AnalysedCase*> earlier;
    for (const auto& cell : row.cells) {
      if (cell.empty()) continue;
      const AnalysedCase* own = counted[cell.front()];
      for (const AnalysedCase* other : others_of(*own, earlier)) pairs.emplace_back(other, own);
      earlier.push_back(own);
    }
  }
  const auto natives_end = std::stable_partition(
      pairs.begin(), pairs.end(), [](const auto& pair) { return is_native(*pair.first) || is_native(*pair.second); });
  std::stable_partition(pairs.begin(), natives_end, [](const auto& pair) {
    return pair.first->summary().group.device == pair.second->summary().group.device;
  });
  Json out = Json::array();
  for (const auto& [first, other] : pairs) out.push_back(comparison_data(*first, *other));
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
      out.push_back({{"case", cases[c].shown.title()},
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
               {"fit_maps", fit_maps_data(shown)},
               {"printed_overviews", Json::array()}};
  for (const AnalysedCase& analysed : cases) data["cases"].push_back(case_data(analysed, options));
  for (const PrintedTable& table : printed_overviews(records))
    data["printed_overviews"].push_back({{"title", table.title}, {"columns", table.columns}, {"rows", table.rows}});
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace wan::report
