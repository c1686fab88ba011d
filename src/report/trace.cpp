// Complete events (phase X) for spans, counter events (C) for values, instants (i) for what happened at once, metadata
// (M) for names, flow events (s, f) for arrows from launch to kernel.
// Format: "Trace Event Format", Google, docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
#include "report/trace.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/series.h"
#include "analysis/stage_columns.h"
#include "analysis/timeline.h"
#include "report/json_text.h"
#include "report/trace_kernels.h"
#include "results/device_name.h"

namespace wan::report {
namespace {

std::string title_of(const RunRecord& run) {
  const std::string device = device_name(run);
  return fmt::format("{} {} r{}{}{} on {} [{}]", run.run_case.name, to_string(run.workload.scope), run.run_case.repeat,
                     run.run_case.arm.empty() ? "" : " ", run.run_case.arm, device, run.id);
}

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append(word);
  return out;
}

/// Text beside the process's name, several by commas. Chrome shows it; Perfetto leaves it out (put_run).
std::string labels_of(const RunRecord& run, const Timeline& timeline) {
  std::vector<std::string> labels = {"run " + run.id};
  if (run.workload.page_cache != PageCache::kUnknown)
    labels.push_back(fmt::format("page cache {}", to_string(run.workload.page_cache)));
  const Measured<int64_t>& residual = run.clock.gpu_residual_ns;
  labels.push_back(residual.has() ? fmt::format("clock residual {:.3f} ms", static_cast<double>(*residual.value) * 1e-6)
                                  : "clock residual unknown: " + residual.reason);
  if (timeline.reconstructed) labels.emplace_back("durations only in the source: stages laid end to end");
  if (timeline.left_out > 0)
    labels.push_back(fmt::format("{} spans are left out: too many, or too many overlap", timeline.left_out));
  return join(labels, ", ");
}

/// The names of the spans on a row that the timeline could only call overlapping.
std::string row_name(const Timeline& timeline, size_t row) {
  constexpr std::string_view kOverlapping = "Overlapping";
  constexpr size_t kNamed = 3;
  const std::string& name = timeline.rows[row].name;
  if (!name.starts_with(kOverlapping)) return name;
  std::vector<std::string> spans;
  for (const TimelineSpan& span : timeline.spans) {
    if (span.row != static_cast<int>(row) || std::find(spans.begin(), spans.end(), span.stage->name) != spans.end())
      continue;
    spans.push_back(spans.size() < kNamed ? span.stage->name : "...");
    if (spans.size() > kNamed) break;
  }
  return "Across stages: " + join(spans, ", ") + name.substr(kOverlapping.size());
}

/// On the slice of the total.
void put_run(JsonText& args, const RunRecord& run) {
  args.add("run_id", run.id).add("page_cache", to_string(run.workload.page_cache));
  if (const auto& residual = run.clock.gpu_residual_ns; residual.has())
    args.add("gpu_clock_residual_ns", *residual.value);
}

void put_shape(JsonText& args, const Workload& work) {
  if (work.width && work.height) args.add("size", fmt::format("{}x{}", *work.width, *work.height));
  if (work.num_frames) args.add("frames", *work.num_frames);
  if (work.steps) args.add("steps", *work.steps);
}

/// The columns that are no curves.
void put_columns(JsonText& args, const RunRecord& run, const StageRecord& stage) {
  for (const StageColumn& column : stage_columns()) {
    if (!column.is_in(kTrace) || column.of_stage != nullptr) continue;
    const Measured<double> value = column.value(run, stage);
    if (!value.has()) continue;
    if (column.is_whole())
      args.add(column.key, static_cast<int64_t>(*value.value));
    else
      args.add(column.key, *value.value);
  }
}

/// Of a span that its record has in a sum only, what is known of it alone.
std::string span_args(const RunRecord& run, const TimelineSpan& span, const std::string& expert) {
  const StageRecord& stage = *span.stage;
  JsonText args;
  args.add("id", span.id()).add("kind", to_string(stage.kind));
  if (stage.index >= 0) args.add("step", stage.index);
  if (!expert.empty()) args.add("expert", expert);
  if (stage.kind == StageKind::kLeaf && stage.index >= 0) put_shape(args, run.workload);
  if (stage.kind == StageKind::kParent) put_run(args, run);
  if (span.number == 0)
    put_columns(args, run, stage);
  else if (span.moved_bytes)
    args.add("moved_bytes", *span.moved_bytes);
  if (is_copy(stage.kind) && span.moved_bytes)
    if (const auto rate = gb_per_s(*span.moved_bytes, span.end_ns - span.begin_ns)) args.add("gb_per_s", *rate);
  if (!stage.flags.empty()) args.add("flags", stage.flags);
  return args.text();
}

/// "Power (W)". Values of a curve are in SI units.
std::string track_name(const StageColumn& column) {
  const std::string_view symbol = column.unit == Unit::kBytes     ? "bytes"
                                  : column.unit == Unit::kCelsius ? "C"
                                                                  : unit_symbol(column.unit);
  return fmt::format("{} ({})", column.title, symbol);
}

/// The column of that series, so that runs with and without samples have their curves under one name.
std::string track_name(const std::string& series) {
  const StageColumn* column = column_of_series(series);
  return column != nullptr ? track_name(*column) : series;
}

bool has_series(const SampleSet* samples, const char* name) {
  if (samples == nullptr || name == nullptr) return false;
  return std::any_of(samples->series.begin(), samples->series.end(),
                     [&](const SampleSeries& series) { return series.name == name && !series.values.empty(); });
}

struct Level {
  int64_t begin_ns = 0, end_ns = 0;
  double value = 0;
};

/// A reading stands until the next; where that one is missing for longer than readings jitter, it ends.
std::vector<Level> levels_of(const SampleSeries& series, double period_ms) {
  constexpr double kGapPeriods = 3;
  const auto period_ns = static_cast<int64_t>(period_ms * 1e6);
  const auto gap_ns = static_cast<int64_t>(kGapPeriods * period_ms * 1e6);
  std::vector<Level> levels;
  for (size_t i = 0; i < series.values.size(); ++i) {
    int64_t end_ns = series.end_ns[i] > series.begin_ns[i] ? series.end_ns[i] : series.begin_ns[i] + period_ns;
    if (i + 1 < series.values.size() && series.begin_ns[i + 1] - series.end_ns[i] <= gap_ns)
      end_ns = series.begin_ns[i + 1];
    levels.push_back({series.begin_ns[i], end_ns, series.values[i]});
  }
  return levels;
}

/// How many neighbours the shown readings may be apart, where not all are shown.
double readings_a_level(const SampleSeries& all, const SampleSeries& shown) {
  const size_t read = all.values.size(), kept = shown.values.size();
  return read == kept ? 1 : 4 * double(read) / double(kept);  // two a piece, at its ends at the worst
}

/// Whether a stage is meant by a flag's words: its id, or a pattern with one star.
bool is_meant(const std::string& words, const std::string& id) {
  const size_t star = words.find('*');
  if (star == std::string::npos) return words == id;
  return id.size() + 1 >= words.size() && id.starts_with(words.substr(0, star)) && id.ends_with(words.substr(star + 1));
}

/// What Perfetto draws well: some readings to a pixel of a wide screen.
SampleSet drawable(const SampleSet& samples) {
  constexpr size_t kMostReadings = 10'000;  // of a series
  SampleSet out{samples.period_ms, {}};
  for (const SampleSeries& series : samples.series) out.series.push_back(extremes_of(series, kMostReadings));
  return out;
}

class TraceWriter {
 public:
  void add(const RunRecord& run, const SampleSet* samples, const SpanSet* spans, const KernelEvents* kernels) {
    ++process_;
    has_events_row_ = false;
    const Timeline timeline = timeline_of(run, spans);
    origin_ns_ = timeline.earliest_ns;
    metadata("process_name", 0, JsonText().add("name", title_of(run)));
    metadata("process_sort_index", 0, JsonText().add("sort_index", process_));
    metadata("process_labels", 0, JsonText().add("labels", labels_of(run, timeline)));
    for (size_t row = 0; row < timeline.rows.size(); ++row) name_thread(thread(row), row_name(timeline, row));
    slices(run, timeline);
    for (const StageColumn& column : stage_columns())
      if (column.is_in(kTrace) && column.of_stage != nullptr && !has_series(samples, column.series))
        stage_counter(run, column, timeline);
    const SampleSet shown = samples != nullptr ? drawable(*samples) : SampleSet{};
    for (size_t i = 0; i < shown.series.size(); ++i)
      counter(track_name(shown.series[i].name), "reading",
              levels_of(shown.series[i], shown.period_ms * readings_a_level(samples->series[i], shown.series[i])));
    next_thread_ = thread(timeline.rows.size());
    if (kernels != nullptr) kernel_rows(*kernels, timeline);
    readings(shown);
    if (samples != nullptr) left_out(*samples, shown);
    expert_swaps(timeline);
    throttling(timeline);
    flags(run, timeline);
    if (run.status != RunStatus::kOk) ending(run, timeline);
  }

  std::string text() && {
    events_.back() = ']';  // instead of the last comma
    return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[" + std::move(events_) + "}\n";
  }

 private:
  static constexpr int kEventsThread = 1;  // above the rows of the timeline

  static int thread(size_t row) { return static_cast<int>(row) + kEventsThread + 1; }

  /// Microseconds with a nanosecond's digits.
  static std::string microseconds(int64_t ns) {
    const int64_t whole = ns / 1000, rest = std::abs(ns % 1000);
    const char* const sign = ns < 0 && whole == 0 ? "-" : "";
    return rest == 0 ? fmt::format("{}{}", sign, whole) : fmt::format("{}{}.{:03}", sign, whole, rest);
  }

  void event(const char* phase, std::string_view name, int thread_id, std::string_view more) {
    events_ += fmt::format("{{\"ph\":\"{}\",\"name\":{},\"pid\":{},\"tid\":{}{}}},", phase, json_string(name), process_,
                           thread_id, more);
  }

  void event_at(const char* phase, std::string_view name, int thread_id, int64_t at_ns, std::string_view more) {
    event(phase, name, thread_id, fmt::format(",\"ts\":{}{}", microseconds(at_ns - origin_ns_), more));
  }

  void metadata(const char* name, int thread_id, const JsonText& args) {
    event("M", name, thread_id, ",\"args\":" + args.text());
  }

  void name_thread(int thread_id, const std::string& name) {
    metadata("thread_name", thread_id, JsonText().add("name", name));
    metadata("thread_sort_index", thread_id, JsonText().add("sort_index", thread_id));
  }

  /// A component is its parent's expert's.
  void slices(const RunRecord& run, const Timeline& timeline) {
    std::map<std::string_view, const std::string*> experts;
    for (const StageRecord& stage : run.stages)
      if (!stage.expert.empty()) experts[stage.id] = &stage.expert;
    for (const TimelineSpan& span : timeline.spans) {
      const StageRecord& stage = *span.stage;
      const auto parent = experts.find(stage.parent);
      const bool inherits = stage.expert.empty() && parent != experts.end();
      slice_on(thread(static_cast<size_t>(span.row)), stage.name, to_string(stage.kind), span.begin_ns, span.end_ns,
               span_args(run, span, inherits ? *parent->second : stage.expert));
    }
  }

  void slice_on(int thread_id, const std::string& name, std::string_view category, int64_t begin_ns, int64_t end_ns,
                const std::string& args) {
    event_at("X", name, thread_id, begin_ns,
             fmt::format(",\"dur\":{},\"cat\":\"{}\",\"args\":{}", microseconds(end_ns - begin_ns), category, args));
  }

  /// The stage in which something on the card begins, by a leaf's time on the host.
  static void put_stage(JsonText& args, int64_t at_ns, const std::vector<const TimelineSpan*>& leaves) {
    const auto after = std::upper_bound(leaves.begin(), leaves.end(), at_ns,
                                        [](int64_t at, const TimelineSpan* leaf) { return at < leaf->begin_ns; });
    if (after == leaves.begin() || (*std::prev(after))->end_ns <= at_ns) return;
    const StageRecord& stage = *(*std::prev(after))->stage;
    args.add("stage", stage.name);
    if (stage.index >= 0) args.add("step", stage.index);
    if (!stage.expert.empty()) args.add("expert", stage.expert);
  }

  static std::string device_args(const DeviceEvent& event, const KernelEvents& kernels,
                                 const std::vector<const TimelineSpan*>& leaves) {
    JsonText args;
    args.add("kind", to_string(kernels.names[event.name].kind)).add("correlation", event.correlation);
    put_stage(args, event.begin_ns, leaves);
    if (event.launch) {
      const LaunchShape& shape = kernels.launches[*event.launch];
      args.add("grid", fmt::format("{}", fmt::join(shape.grid, "x")));
      args.add("block", fmt::format("{}", fmt::join(shape.block, "x")));
      args.add("registers", shape.registers).add("shared_bytes", shape.shared_bytes);
    } else {
      args.add("moved_bytes", event.bytes);
      const auto rate = gb_per_s(static_cast<uint64_t>(event.bytes), event.end_ns - event.begin_ns);
      if (rate) args.add("gb_per_s", *rate);
    }
    return args.text();
  }

  void kernel_rows(const KernelEvents& kernels, const Timeline& timeline) {
    std::vector<const TimelineSpan*> leaves;
    each_leaf(timeline, [&](const TimelineSpan& span) {
      if (span.end_ns > span.begin_ns) leaves.push_back(&span);
    });
    const EventRows rows = rows_of(kernels);
    const int first = next_thread_;
    for (const EventRow& row : rows.rows) {
      name_thread(next_thread_, row.name);
      for (const RowSlice& slice : row.slices) {
        const std::string& name = row.on_device ? kernels.names[kernels.device[slice.event].name].name
                                                : kernels.call_names[kernels.host[slice.event].name];
        const std::string args = row.on_device
                                     ? device_args(kernels.device[slice.event], kernels, leaves)
                                     : JsonText().add("correlation", kernels.host[slice.event].correlation).text();
        slice_on(next_thread_, name, row.on_device ? "device" : "host", slice.begin_ns, slice.end_ns, args);
        if (!row.on_device && name.find("StreamBeginCapture") != std::string::npos)
          instant("graph capture", slice.begin_ns, JsonText().add("thread", row.name));
      }
      ++next_thread_;
    }
    for (const LaunchArrow& arrow : rows.arrows) {
      ++arrow_;
      arrow_end("s", first + static_cast<int>(arrow.call_row), arrow.call_ns);
      arrow_end("f", first + static_cast<int>(arrow.device_row), arrow.device_ns);
    }
  }

  /// The end is bound to the slice around it, not to the next one.
  void arrow_end(const char* phase, int thread_id, int64_t at_ns) {
    event_at(phase, "launch", thread_id, at_ns,
             fmt::format(",\"cat\":\"launch\",\"id\":{}{}", arrow_, *phase == 'f' ? ",\"bp\":\"e\"" : ""));
  }

  /// At the run's start: a trace that shows less than was read says so.
  void left_out(const SampleSet& samples, const SampleSet& shown) {
    for (size_t i = 0; i < samples.series.size(); ++i) {
      const size_t read = samples.series[i].values.size(), kept = shown.series[i].values.size();
      if (kept == read) continue;
      instant("readings left out", origin_ns_,
              JsonText()
                  .add("series", samples.series[i].name)
                  .add("read", read)
                  .add("shown", kept)
                  .add("which", "the smallest and the largest of each piece of neighbours"));
    }
  }

  /// When the monitor read something: what it cost is to be looked for there.
  void readings(const SampleSet& samples) {
    std::set<int64_t> instants;
    for (const SampleSeries& series : samples.series) instants.insert(series.end_ns.begin(), series.end_ns.end());
    if (instants.empty()) return;
    name_thread(next_thread_, "Sampler");
    for (const int64_t at_ns : instants) instant_on(next_thread_, "reading", at_ns, {});
    ++next_thread_;
  }

  template <class Visit>
  static void each_leaf(const Timeline& timeline, Visit visit) {
    for (const TimelineSpan& span : timeline.spans)
      if (span.row == 0 && span.stage->kind == StageKind::kLeaf) visit(span);
  }

  void stage_counter(const RunRecord& run, const StageColumn& column, const Timeline& timeline) {
    std::vector<Level> levels;
    each_leaf(timeline, [&](const TimelineSpan& span) {
      const Measured<double> value = column.value(run, *span.stage);
      if (value.has() && span.end_ns > span.begin_ns) levels.push_back({span.begin_ns, span.end_ns, *value.value});
    });
    counter(track_name(column), column.of_stage, levels);
  }

  /// The format has no end of a counter: 0 stands for it.
  void counter(const std::string& name, const char* value_name, const std::vector<Level>& levels) {
    for (size_t i = 0; i < levels.size(); ++i) {
      counter_value(name, value_name, levels[i].begin_ns, levels[i].value);
      if (i + 1 == levels.size() || levels[i + 1].begin_ns > levels[i].end_ns)
        counter_value(name, value_name, levels[i].end_ns, 0);
    }
  }

  void counter_value(const std::string& name, const char* value_name, int64_t at_ns, double value) {
    event_at("C", name, 0, at_ns, ",\"args\":" + JsonText().add(value_name, value).text());
  }

  void instant(const std::string& name, int64_t at_ns, const JsonText& args) {
    if (!has_events_row_) name_thread(kEventsThread, "Events");
    has_events_row_ = true;
    instant_on(kEventsThread, name, at_ns, args);
  }

  void instant_on(int thread_id, const std::string& name, int64_t at_ns, const JsonText& args) {
    event_at("i", name, thread_id, at_ns, ",\"s\":\"t\",\"args\":" + args.text());
  }

  void expert_swaps(const Timeline& timeline) {
    std::string last;
    each_leaf(timeline, [&](const TimelineSpan& span) {
      const std::string& expert = span.stage->expert;
      if (expert.empty()) return;
      if (!last.empty() && expert != last)
        instant("expert swap", span.begin_ns,
                JsonText().add("from", last).add("to", expert).add("step", span.stage->index));
      last = expert;
    });
  }

  /// A stage without a reading changes nothing: most of those are too short to have one.
  void throttling(const Timeline& timeline) {
    bool is_slowed = false;
    each_leaf(timeline, [&](const TimelineSpan& span) {
      if (!span.stage->throttled_percent.has()) return;
      const double percent = *span.stage->throttled_percent.value;
      if ((percent > 0) == is_slowed) return;
      is_slowed = percent > 0;
      instant(is_slowed ? "throttle onset" : "throttle end", span.begin_ns,
              JsonText().add("stage", span.stage->id).add("throttled_percent", percent));
    });
  }

  /// At the first stage a flag is about. A record does not say when in a run a flag of the whole run came up: those
  /// stand at its start.
  void flags(const RunRecord& run, const Timeline& timeline) {
    for (const ValidityFlag& flag : run.validity) {
      int64_t at_ns = origin_ns_;
      const auto meant = std::find_if(timeline.spans.begin(), timeline.spans.end(), [&](const TimelineSpan& span) {
        return !flag.stage.empty() && is_meant(flag.stage, span.stage->id);
      });
      if (meant != timeline.spans.end()) at_ns = meant->begin_ns;
      instant(flag.name, at_ns,
              JsonText()
                  .add("detail", flag.detail)
                  .add("excludes", flag.excludes)
                  .add("stage", flag.stage.empty() ? "whole run" : flag.stage));
    }
    each_leaf(timeline, [&](const TimelineSpan& span) {
      for (const std::string& flag : span.stage->flags)
        instant(flag, span.begin_ns, JsonText().add("stage", span.stage->id));
    });
  }

  void ending(const RunRecord& run, const Timeline& timeline) {
    int64_t end_ns = timeline.earliest_ns;
    for (const TimelineSpan& span : timeline.spans) end_ns = std::max(end_ns, span.end_ns);
    JsonText args;
    if (run.error) {
      const ErrorFacts& error = *run.error;
      args.add("message", error.message).add("stage", error.stage);
      if (!error.advice.empty()) args.add("advice", error.advice);
      if (error.requested_bytes.has()) args.add("requested_bytes", *error.requested_bytes.value);
      if (error.free_bytes.has()) args.add("free_bytes", *error.free_bytes.value);
    }
    instant(std::string(to_string(run.status)), end_ns, args);
  }

  int process_ = 0;
  int next_thread_ = 0;  // below the rows there are
  int64_t arrow_ = 0;    // the last one's id, of the whole file
  int64_t origin_ns_ = 0;
  bool has_events_row_ = false;
  std::string events_ = " ";  // a comma behind each; a blank stands for none
};

}  // namespace

std::string trace_json(const std::vector<const RunRecord*>& records, const Beside& beside) {
  TraceWriter writer;
  for (const RunRecord* record : records)
    writer.add(*record, of_run(beside.samples, record->id), of_run(beside.spans, record->id),
               of_run(beside.kernels, record->id));
  return std::move(writer).text();
}

}  // namespace wan::report
