// report.html: one file with everything in it, for a buyer (first screen) and for an engineer (below). The numbers
// travel as one block of JSON that the page's script shows; formatting only, every number comes from analysis.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "analysis/report_view.h"
#include "report/beside.h"

namespace wan::report {

struct HtmlOptions {
  Beside beside{};  // without a run's samples its timeline shows one value a stage; without spans no single copy
  std::filesystem::path folder{};  // where the report will be: videos found there are shown; empty: none is
  std::map<std::string, std::filesystem::path> files{};  // by run id: its record, from `folder`; the page links to it
  std::string trace = "trace.json";                      // the file of the trace beside the page
  /// A JPEG of a video's frame, shown also where the page is without the video; empty: none. May be unset.
  std::function<std::string(const std::filesystem::path&)> poster{};
  /// A small JPEG of a PNG file, for stills side by side; empty: none. May be unset.
  std::function<std::string(const std::filesystem::path&)> picture{};
};

/// The whole page. Needs no network and no other file but the videos. Text of records is never markup in it.
std::string html_report(const ReportView& view, const HtmlOptions& options = {});

/// The JSON block of the page, as text: what the page shows, in SI units (seconds, bytes, watts, joules; shares 0 to
/// 1).
std::string report_data(const ReportView& view, const HtmlOptions& options = {});

}  // namespace wan::report
