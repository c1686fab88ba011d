// The files of a results folder that hold one run: its record and what lies beside it.
#include "analysis/load_compare.h"
#include "analysis/series.h"
#include "report.h"
#include "report/markdown.h"
#include "report/trace_kernels.h"
#include "results/contradictions.h"
#include "results/json.h"
#include "results/kernel_events.h"
#include "results/load.h"
#include "results/samples.h"
#include "results/spans.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

RunRecord read_record(Bytes input) {
  RunRecord record = written_and_read(record_from_json(text_of(input), "fuzz"));
  contradictions(record);
  reason_not_counted(record);
  return record;
}

SampleSet read_samples(Bytes input) {
  SampleSet set = samples_from_json(text_of(input), "fuzz");
  check(read_again([&] { return samples_from_json(samples_to_json(set), "written"); }) == set,
        "samples are read as they were written");
  for (const SampleSeries& series : set.series) {
    constexpr size_t kMost = 3;
    check(thinned(series, kMost).values.size() <= kMost, "a series is thinned to what was asked for");
    check(extremes_of(series, kMost).values.size() <= kMost, "a series is cut to what was asked for");
  }
  return set;
}

SpanSet read_spans(Bytes input) {
  SpanSet set = spans_from_json(text_of(input), "fuzz");
  check(read_again([&] { return spans_from_json(spans_to_json(set), "written"); }) == set,
        "spans are read as they were written");
  return set;
}

KernelEvents read_kernel_events(Bytes input) {
  KernelEvents events = kernel_events_from_json(text_of(input), "fuzz");
  check(read_again([&] { return kernel_events_from_json(kernel_events_to_json(events), "written"); }) == events,
        "kernel events are read as they were written");
  report::rows_of(events);
  return events;
}

/// Its file, numbers, words and section.
void read_load_test(Bytes input) {
  LoadTest test = load_test_from_json(std::string(text_of(input)), "fuzz");
  const std::string written = to_json(test);
  check(read_again([&] { return to_json(load_test_from_json(written, "written")); }) == written,
        "a load test is read as it was written");
  ReportView view;
  const LoadView& load = view.loads.emplace_back(std::move(test));
  for (const LoadSummary& level : load.levels)
    if (level.latency) check(level.latency->at(0.5).value >= 0, "nothing ends before it was to be sent");
  compare_loads(load, load, 0.01);
  report::markdown_report(view);
}

/// A good run beside which the file lies.
std::vector<RunRecord> one_run() { return {good_records().front()}; }

}  // namespace

void records(Bytes input) { read_record(input); }
void records_report(Bytes input) { report_and_compare({read_record(input)}); }

void load_tests(Bytes input) { read_load_test(input); }

void samples(Bytes input) { read_samples(input); }
void samples_report(Bytes input) {
  report::Beside beside;
  beside.samples[one_run().front().id] = read_samples(input);
  report_and_compare(one_run(), std::move(beside));
}

void spans(Bytes input) { read_spans(input); }
void spans_report(Bytes input) {
  report::Beside beside;
  beside.spans[one_run().front().id] = read_spans(input);
  report_and_compare(one_run(), std::move(beside));
}

void kernel_events(Bytes input) { read_kernel_events(input); }
void kernel_events_report(Bytes input) {
  report::Beside beside;
  beside.kernels[one_run().front().id] = read_kernel_events(input);
  report_and_compare(one_run(), std::move(beside));
}

}  // namespace wan::fuzz
