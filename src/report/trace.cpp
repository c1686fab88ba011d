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

#include <nlohmann/json.hpp>

#include "analysis/breakdown.h"
#include "analysis/timeline.h"
#include "report/trace_kernels.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

constexpr double kMicroseconds = 1e-3;  // a nanosecond, as the format counts

std::string title_of(const RunRecord& run) {
  const std::string device = run.system.gpus.empty() ? run.system.cpu_model : run.system.gpus[0].name;
  return fmt::format("{} {} r{}{}{} on {} [{}]", run.run_case.name, to_string(run.workload.scope), run.run_case.repeat,
                     run.run_case.arm.empty() ? "" : " ", run.run_case.arm, device, run.id);
}

/// Perfetto (v52) misreads numbers of 20 digits behind the point: 0.00010209092944840822 becomes 0.0013.
double shortened(double value) { return std::stod(fmt::format("{:.12g}", value)); }

void put(Json& args, const char* key, const Measured<double>& value) {
  if (value.has()) args[key] = shortened(*value.value);
}

template <class T>
void put(Json& args, const char* key, const Measured<T>& value) {
  if (value.has()) args[key] = *value.value;
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
void put_run(Json& args, const RunRecord& run) {
  args["run_id"] = run.id;
  args["page_cache"] = to_string(run.workload.page_cache);
  put(args, "gpu_clock_residual_ns", run.clock.gpu_residual_ns);
}

void put_shape(Json& args, const Workload& work) {
  if (work.width && work.height) args["size"] = fmt::format("{}x{}", *work.width, *work.height);
  if (work.num_frames) args["frames"] = *work.num_frames;
  if (work.steps) args["steps"] = *work.steps;
}

/// The rate of floating-point operations as the estimates have it (analysis/summary.cpp): over the device's time, else
/// over wall time. Of a leaf, `moved_bytes` is what moved meanwhile, at no rate of its own.
void put_rates(Json& args, const StageRecord& stage) {
  const bool on_device = stage.gpu_ns.has() && *stage.gpu_ns.value > 0;
  const int64_t computed_ns = on_device ? *stage.gpu_ns.value : stage.wall_ns;
  if (stage.flops.has() && computed_ns > 0)
    args["tflop_per_s"] = shortened(*stage.flops.value / static_cast<double>(computed_ns) * 1e-3);
  const bool is_copy = stage.kind == StageKind::kHidden || stage.kind == StageKind::kComponent;
  if (is_copy && stage.moved_bytes.has() && stage.wall_ns > 0)
    args["gb_per_s"] = shortened(static_cast<double>(*stage.moved_bytes.value) / static_cast<double>(stage.wall_ns));
}

Json span_args(const RunRecord& run, const StageRecord& stage, const std::string& expert) {
  Json args = {{"id", stage.id}, {"kind", to_string(stage.kind)}};
  if (stage.index >= 0) args["step"] = stage.index;
  if (!expert.empty()) args["expert"] = expert;
  if (stage.kind == StageKind::kLeaf && stage.index >= 0) put_shape(args, run.workload);
  if (stage.kind == StageKind::kParent) put_run(args, run);
  put(args, "gpu_ns", stage.gpu_ns);
  put(args, "exposed_copy_ns", stage.exposed_copy_ns);
  put(args, "hidden_copy_ns", stage.hidden_copy_ns);
  put(args, "moved_bytes", stage.moved_bytes);
  put(args, "flops", stage.flops);
  put(args, "energy_j", stage.energy_j);
  put_rates(args, stage);
  if (!stage.flags.empty()) args["flags"] = stage.flags;
  return args;
}

/// A counter track made of a value of each leaf.
struct CounterTrack {
  const char* name;
  const char* value_name;  // what the value is of the stage
  const char* sampled_as;  // the series of samples that shows the same, or nullptr
  std::optional<double> (*value)(const StageRecord&);
};

constexpr const char *kMean = "mean of the stage", *kMedian = "median of the stage", *kPeak = "peak of the stage";

template <class T>
std::optional<double> number(const Measured<T>& value) {
  return value.has() ? std::optional<double>(static_cast<double>(*value.value)) : std::nullopt;
}

std::optional<double> middle(const Measured<Spread>& value) {
  return value.has() ? std::optional<double>(value.value->median) : std::nullopt;
}

std::optional<double> cores(const StageRecord& stage) {
  if (!stage.cpu_core_ns.has() || stage.wall_ns <= 0) return std::nullopt;
  return static_cast<double>(*stage.cpu_core_ns.value) / static_cast<double>(stage.wall_ns);
}

const CounterTrack kTracks[] = {
    {"SM active (%)", kMean, "sm_active_percent",
     [](const StageRecord& s) { return s.counters.sm_active.mean_percent; }},
    {"Tensor active (%)", kMean, "tensor_active_percent",
     [](const StageRecord& s) { return s.counters.tensor_active.mean_percent; }},
    {"DRAM active (%)", kMean, "dram_active_percent",
     [](const StageRecord& s) { return s.counters.dram_active.mean_percent; }},
    {"GPU busy (%)", kMean, "gpu_busy_percent", [](const StageRecord& s) { return s.counters.gpu_busy.mean_percent; }},
    {"Power (W)", kMean, "power_w", [](const StageRecord& s) { return number(s.power_mean_w); }},
    {"SM clock (MHz)", kMedian, "sm_clock_mhz", [](const StageRecord& s) { return middle(s.sm_clock_mhz); }},
    {"GPU temperature (C)", kMedian, "gpu_temperature_c",
     [](const StageRecord& s) { return middle(s.gpu_temperature_c); }},
    {"Throttled (%)", "share of the stage", nullptr, [](const StageRecord& s) { return number(s.throttled_percent); }},
    {"GPU pool (bytes)", kPeak, nullptr, [](const StageRecord& s) { return number(s.device_memory.pool_peak_bytes); }},
    {"GPU process (bytes)", kPeak, nullptr,
     [](const StageRecord& s) { return number(s.device_memory.process_peak_bytes); }},
    {"GPU device used (bytes)", kPeak, "gpu_device_bytes",
     [](const StageRecord& s) { return number(s.device_memory.device_peak_bytes); }},
    {"Process memory resident (bytes)", kPeak, "process_resident_bytes",
     [](const StageRecord& s) { return number(s.host_memory.process_peak_bytes); }},
    {"Process CPU (cores)", kMean, "process_cpu_cores", cores},
    {"PCIe to device (bytes/s)", kMean, nullptr, [](const StageRecord& s) { return number(s.pcie_rx_bytes_per_s); }},
    {"PCIe to host (bytes/s)", kMean, nullptr, [](const StageRecord& s) { return number(s.pcie_tx_bytes_per_s); }},
};

/// The track of that series, so that runs with and without samples have their curves under one name.
std::string track_name(const std::string& series) {
  for (const CounterTrack& track : kTracks)
    if (track.sampled_as != nullptr && series == track.sampled_as) return track.name;
  return series == "sm_occupancy_percent" ? "SM occupancy (%)" : series;
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

/// Whether a stage is meant by a flag's words: its id, or a pattern with one star.
bool is_meant(const std::string& words, const std::string& id) {
  const size_t star = words.find('*');
  if (star == std::string::npos) return words == id;
  return id.size() + 1 >= words.size() && id.starts_with(words.substr(0, star)) && id.ends_with(words.substr(star + 1));
}

class TraceWriter {
 public:
  void add(const RunRecord& run, const SampleSet* samples, const KernelEvents* kernels) {
    ++process_;
    has_events_row_ = false;
    const Timeline timeline = timeline_of(run);
    origin_ns_ = timeline.earliest_ns;
    metadata("process_name", 0, {{"name", title_of(run)}});
    metadata("process_sort_index", 0, {{"sort_index", process_}});
    metadata("process_labels", 0, {{"labels", labels_of(run, timeline)}});
    for (size_t row = 0; row < timeline.rows.size(); ++row) name_thread(thread(row), row_name(timeline, row));
    slices(run, timeline);
    for (const CounterTrack& track : kTracks)
      if (!has_series(samples, track.sampled_as)) stage_counter(track, timeline);
    if (samples != nullptr)
      for (const SampleSeries& series : samples->series)
        counter(track_name(series.name), "reading", levels_of(series, samples->period_ms));
    next_thread_ = thread(timeline.rows.size());
    if (kernels != nullptr) kernel_rows(*kernels, timeline);
    if (samples != nullptr) readings(*samples);
    expert_swaps(timeline);
    throttling(timeline);
    flags(run, timeline);
    if (run.status != RunStatus::kOk) ending(run, timeline);
  }

  std::string text() const {
    const Json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", events_}};
    return trace.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  static constexpr int kEventsThread = 1;  // above the rows of the timeline

  double microseconds(int64_t at_ns) const { return static_cast<double>(at_ns - origin_ns_) * kMicroseconds; }
  static int thread(size_t row) { return static_cast<int>(row) + kEventsThread + 1; }

  void metadata(const char* name, int thread_id, Json args) {
    events_.push_back({{"ph", "M"}, {"name", name}, {"pid", process_}, {"tid", thread_id}, {"args", std::move(args)}});
  }

  void name_thread(int thread_id, const std::string& name) {
    metadata("thread_name", thread_id, {{"name", name}});
    metadata("thread_sort_index", thread_id, {{"sort_index", thread_id}});
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
               span_args(run, stage, inherits ? *parent->second : stage.expert));
    }
  }

  void slice_on(int thread_id, const std::string& name, std::string_view category, int64_t begin_ns, int64_t end_ns,
                Json args) {
    events_.push_back({{"ph", "X"},
                       {"name", name},
                       {"cat", category},
                       {"pid", process_},
                       {"tid", thread_id},
                       {"ts", microseconds(begin_ns)},
                       {"dur", static_cast<double>(end_ns - begin_ns) * kMicroseconds},
                       {"args", std::move(args)}});
  }

  /// The stage in which something on the card begins, by a leaf's time on the host.
  static void put_stage(Json& args, int64_t at_ns, const std::vector<const TimelineSpan*>& leaves) {
    const auto after = std::upper_bound(leaves.begin(), leaves.end(), at_ns,
                                        [](int64_t at, const TimelineSpan* leaf) { return at < leaf->begin_ns; });
    if (after == leaves.begin() || (*std::prev(after))->end_ns <= at_ns) return;
    const StageRecord& stage = *(*std::prev(after))->stage;
    args["stage"] = stage.name;
    if (stage.index >= 0) args["step"] = stage.index;
    if (!stage.expert.empty()) args["expert"] = stage.expert;
  }

  static Json device_args(const DeviceEvent& event, const KernelEvents& kernels,
                          const std::vector<const TimelineSpan*>& leaves) {
    Json args = {{"kind", to_string(kernels.names[event.name].kind)}, {"correlation", event.correlation}};
    put_stage(args, event.begin_ns, leaves);
    if (event.launch) {
      const LaunchShape& shape = kernels.launches[*event.launch];
      args["grid"] = fmt::format("{}", fmt::join(shape.grid, "x"));
      args["block"] = fmt::format("{}", fmt::join(shape.block, "x"));
      args["registers"] = shape.registers;
      args["shared_bytes"] = shape.shared_bytes;
    } else {
      args["moved_bytes"] = event.bytes;
      if (event.end_ns > event.begin_ns)
        args["gb_per_s"] =
            shortened(static_cast<double>(event.bytes) / static_cast<double>(event.end_ns - event.begin_ns));
    }
    return args;
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
        Json args = row.on_device ? device_args(kernels.device[slice.event], kernels, leaves)
                                  : Json{{"correlation", kernels.host[slice.event].correlation}};
        slice_on(next_thread_, name, row.on_device ? "device" : "host", slice.begin_ns, slice.end_ns, std::move(args));
        if (!row.on_device && name.find("StreamBeginCapture") != std::string::npos)
          instant("graph capture", slice.begin_ns, {{"thread", row.name}});
      }
      ++next_thread_;
    }
    for (const LaunchArrow& arrow : rows.arrows) {
      ++arrow_;
      arrow_end("s", first + static_cast<int>(arrow.call_row), arrow.call_ns);
      arrow_end("f", first + static_cast<int>(arrow.device_row), arrow.device_ns);
    }
  }

  void arrow_end(const char* phase, int thread_id, int64_t at_ns) {
    Json event = {{"ph", phase},     {"name", "launch"}, {"cat", "launch"},          {"id", arrow_},
                  {"pid", process_}, {"tid", thread_id}, {"ts", microseconds(at_ns)}};
    if (*phase == 'f') event["bp"] = "e";  // ends at the slice around it, not at the next one
    events_.push_back(std::move(event));
  }

  /// When the monitor read something: what it cost is to be looked for there.
  void readings(const SampleSet& samples) {
    std::set<int64_t> instants;
    for (const SampleSeries& series : samples.series) instants.insert(series.end_ns.begin(), series.end_ns.end());
    if (instants.empty()) return;
    name_thread(next_thread_, "Sampler");
    for (const int64_t at_ns : instants) instant_on(next_thread_, "reading", at_ns, Json::object());
    ++next_thread_;
  }

  template <class Visit>
  static void each_leaf(const Timeline& timeline, Visit visit) {
    for (const TimelineSpan& span : timeline.spans)
      if (span.row == 0 && span.stage->kind == StageKind::kLeaf) visit(span);
  }

  void stage_counter(const CounterTrack& track, const Timeline& timeline) {
    std::vector<Level> levels;
    each_leaf(timeline, [&](const TimelineSpan& span) {
      const std::optional<double> value = track.value(*span.stage);
      if (value && span.end_ns > span.begin_ns) levels.push_back({span.begin_ns, span.end_ns, *value});
    });
    counter(track.name, track.value_name, levels);
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
    events_.push_back({{"ph", "C"},
                       {"name", name},
                       {"pid", process_},
                       {"tid", 0},
                       {"ts", microseconds(at_ns)},
                       {"args", {{value_name, shortened(value)}}}});
  }

  void instant(const std::string& name, int64_t at_ns, Json args) {
    if (!has_events_row_) name_thread(kEventsThread, "Events");
    has_events_row_ = true;
    instant_on(kEventsThread, name, at_ns, std::move(args));
  }

  void instant_on(int thread_id, const std::string& name, int64_t at_ns, Json args) {
    events_.push_back({{"ph", "i"},
                       {"s", "t"},
                       {"name", name},
                       {"pid", process_},
                       {"tid", thread_id},
                       {"ts", microseconds(at_ns)},
                       {"args", std::move(args)}});
  }

  void expert_swaps(const Timeline& timeline) {
    std::string last;
    each_leaf(timeline, [&](const TimelineSpan& span) {
      const std::string& expert = span.stage->expert;
      if (expert.empty()) return;
      if (!last.empty() && expert != last)
        instant("expert swap", span.begin_ns, {{"from", last}, {"to", expert}, {"step", span.stage->index}});
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
              {{"stage", span.stage->id}, {"throttled_percent", percent}});
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
              {{"detail", flag.detail},
               {"excludes", flag.excludes},
               {"stage", flag.stage.empty() ? "whole run" : flag.stage}});
    }
    each_leaf(timeline, [&](const TimelineSpan& span) {
      for (const std::string& flag : span.stage->flags) instant(flag, span.begin_ns, {{"stage", span.stage->id}});
    });
  }

  void ending(const RunRecord& run, const Timeline& timeline) {
    int64_t end_ns = timeline.earliest_ns;
    for (const TimelineSpan& span : timeline.spans) end_ns = std::max(end_ns, span.end_ns);
    Json args = Json::object();
    if (run.error) {
      args = {{"message", run.error->message}, {"stage", run.error->stage}};
      if (!run.error->advice.empty()) args["advice"] = run.error->advice;
      put(args, "requested_bytes", run.error->requested_bytes);
      put(args, "free_bytes", run.error->free_bytes);
    }
    instant(std::string(to_string(run.status)), end_ns, std::move(args));
  }

  int process_ = 0;
  int next_thread_ = 0;  // below the rows there are
  int64_t arrow_ = 0;    // the last one's id, of the whole file
  int64_t origin_ns_ = 0;
  bool has_events_row_ = false;
  Json events_ = Json::array();
};

}  // namespace

std::string trace_json(const std::vector<const RunRecord*>& records, const std::map<std::string, SampleSet>& samples,
                       const std::map<std::string, KernelEvents>& kernels) {
  TraceWriter writer;
  for (const RunRecord* record : records) {
    const auto sampled = samples.find(record->id);
    const auto traced = kernels.find(record->id);
    writer.add(*record, sampled == samples.end() ? nullptr : &sampled->second,
               traced == kernels.end() ? nullptr : &traced->second);
  }
  return writer.text();
}

}  // namespace wan::report
