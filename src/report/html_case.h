// One case of the page's data. Internal to the HTML report.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/bottleneck.h"
#include "analysis/buyer.h"
#include "report/case_section.h"
#include "report/html.h"

namespace wan::report {

/// A case with what analysis says of it, made once and used by the case's data and by the sentences above it.
struct AnalysedCase {
  ShownCase shown;
  BuyerNumbers buyer;
  BottleneckReport bottlenecks;
  const CardPeak* peak = nullptr;
  const CardPrice* price = nullptr;
  std::map<std::string, std::string> run_names;  // by run id: "run 2", "warm-up 1", "traced run 1", in order of time

  const CaseSummary& summary() const { return shown.summary; }
  bool has_result() const { return shown.summary.total_s.has(); }
};

AnalysedCase analyse_case(const RunGroup& group, const HtmlOptions& options);

/// Everything the page shows of a case.
nlohmann::json case_data(const AnalysedCase& analysed, const HtmlOptions& options);

/// A quantity as {value, low, high, runs, single, source}, or {value: null, reason}. `extremes_coverage` says that low
/// and high are the lowest and the highest run, which cover the median with this probability.
nlohmann::json quantity_data(const Quantity& quantity);

/// The case in one sentence: seconds, how much of it on the card and on the host, the largest part and its bound.
std::string verdict_sentence(const AnalysedCase& analysed);

}  // namespace wan::report
