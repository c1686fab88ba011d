#include "report.h"

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "analysis/compare.h"
#include "analysis/gate.h"
#include "analysis/report_view.h"
#include "html_records.h"
#include "input.h"
#include "report/csv.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/trace.h"
#include "results/history.h"
#include "results/json.h"
#include "results/redact.h"
#include "results/spans.h"
#include "temporary_folder.h"

namespace wan::fuzz {
namespace {

/// A results folder with a video that a record may name.
struct Results {
  test::TemporaryFolder path;
  Results() {
    std::filesystem::create_directory(path / "videos");
    std::ofstream(path / "videos" / "01.mp4") << "video";
  }
};

void write_reports(const std::vector<const RunRecord*>& records, const ReportView& view, report::Beside beside) {
  static const Results results;
  check(!report::markdown_report(view).empty(), "a report says something");
  check(!report::to_csv(records, view.not_counted).empty(), "a table has a head");
  check(nlohmann::json::accept(report::trace_json(records, beside)), "a trace is JSON");
  report::HtmlOptions options{std::move(beside), results.path};
  options.poster = [](const std::filesystem::path&) { return std::string("\xFF\xD8"); };
  options.picture = options.poster;
  for (const RunRecord* record : records) options.files[record->id] = "records/a.run.json";
  check(nlohmann::json::accept(report::report_data(view, options)), "a page's data is JSON");
  check(!report::html_report(view, options).empty(), "a page says something");
}

void compare(const CaseSummary& a, const CaseSummary& b, const CompareOptions& options) {
  const Comparison comparison = compare_cases(a, b, options);
  GateCounts counts;
  count(counts, comparison, "Total", true);
  check(!gate_text(counts).empty(), "a gate says something");
  for (const Caveat& caveat : comparison.caveats) caveat_text(caveat, "A", "B");
  if (comparison.split) savings_text(*comparison.split, [](double value) { return std::to_string(value); });
  geometric_mean_ratio({comparison});
}

std::vector<CaseSummary> summaries(const std::vector<const RunRecord*>& records) {
  std::vector<CaseSummary> out;
  for (const RunGroup& group : group_runs(records)) out.push_back(summarise(group));
  return out;
}

void compare_all(const std::vector<const RunRecord*>& records, const std::vector<const RunRecord*>& good) {
  CompareOptions freely;
  freely.allowed_fields = {"*"};
  freely.across_precision = true;
  const std::vector<CaseSummary> ours = summaries(records), theirs = summaries(good);
  for (const CaseSummary& summary : ours) {
    for (const CompareOptions& options : {CompareOptions{}, freely}) {
      compare(summary, summary, options);
      for (const CaseSummary& other : theirs) {
        compare(other, summary, options);
        compare(summary, other, options);
      }
    }
  }
}

std::vector<const RunRecord*> pointers(const std::vector<RunRecord>& records) {
  std::vector<const RunRecord*> out;
  for (const RunRecord& record : records) out.push_back(&record);
  return out;
}

}  // namespace

const std::vector<RunRecord>& good_records() {
  static const std::vector<RunRecord> kept = [] {
    std::vector<RunRecord> records = report_records();
    constexpr size_t kOfOneCase = 3;
    records.resize(kOfOneCase);
    return records;
  }();
  return kept;
}

RunRecord written_and_read(const RunRecord& record) {
  const std::string written = to_json(record);
  RunRecord read = read_again([&] { return record_from_json(written, "written"); });
  check(to_json(read) == written, "a record is read as it was written");
  return read;
}

void report_and_compare(std::vector<RunRecord> records, report::Beside beside, const Tables& tables) {
  for (RunRecord& record : records) {
    SpanSet spans = sum_up_parts(record.stages);
    if (!spans.parts.empty()) beside.spans.emplace(record.id, std::move(spans));
  }
  const std::vector<const RunRecord*> ours = pointers(records);
  std::vector<const RunRecord*> all = ours, good;
  for (const RunRecord& record : good_records()) {  // of two files with one id one counts
    good.push_back(&record);
    if (std::none_of(ours.begin(), ours.end(), [&](const RunRecord* other) { return other->id == record.id; }))
      all.push_back(&record);
  }
  write_reports(all, report_view(all, tables.peaks, tables.prices), std::move(beside));
  compare_all(ours, good);
  History index(":memory:", IndexFile::kNew);
  for (const RunRecord& record : records) index.add({"a.run.json", record});
  check(index.query({}).size() <= records.size(), "an index has the runs it was given");
  for (RunRecord& record : records) {
    Redactor("key").redact(record);
    written_and_read(record);
  }
}

}  // namespace wan::fuzz
