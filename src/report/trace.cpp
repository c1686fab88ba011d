// Complete events (phase X) for spans, counter events (C) for values, metadata (M) for names. Format: "Trace Event
// Format", Google, docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
#include "report/trace.h"

#include <algorithm>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/breakdown.h"
#include "analysis/timeline.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

constexpr double kMicroseconds = 1e-3;  // a nanosecond, as the format counts

std::string title_of(const RunRecord& run) {
  const std::string device = run.system.gpus.empty() ? run.system.cpu_model : run.system.gpus[0].name;
  return fmt::format("{} {} r{}{}{} on {} [{}]", run.run_case.name, to_string(run.workload.scope), run.run_case.repeat,
                     run.run_case.arm.empty() ? "" : " ", run.run_case.arm, device, run.id);
}

template <class T>
void put(Json& args, const char* key, const Measured<T>& value) {
  if (value.has()) args[key] = *value.value;
}

Json span_args(const StageRecord& stage) {
  Json args = {{"id", stage.id}, {"kind", to_string(stage.kind)}};
  if (stage.index >= 0) args["step"] = stage.index;
  if (!stage.expert.empty()) args["expert"] = stage.expert;
  put(args, "gpu_ns", stage.gpu_ns);
  put(args, "exposed_copy_ns", stage.exposed_copy_ns);
  put(args, "hidden_copy_ns", stage.hidden_copy_ns);
  put(args, "moved_bytes", stage.moved_bytes);
  put(args, "flops", stage.flops);
  put(args, "energy_j", stage.energy_j);
  if (!stage.flags.empty()) args["flags"] = stage.flags;
  return args;
}

/// A counter track: the value of a stage from its begin on; nothing where there is none.
struct CounterTrack {
  const char* name;
  const char* sampled_as;  // the series of samples that shows the same, or nullptr
  std::optional<double> (*value)(const StageRecord&);
};

template <class T>
std::optional<double> number(const Measured<T>& value) {
  return value.has() ? std::optional<double>(static_cast<double>(*value.value)) : std::nullopt;
}

std::optional<double> middle(const Measured<Spread>& value) {
  return value.has() ? std::optional<double>(value.value->median) : std::nullopt;
}

const CounterTrack kTracks[] = {
    {"SM active (%)", "sm_active_percent", [](const StageRecord& s) { return s.counters.sm_active.mean_percent; }},
    {"Tensor active (%)", "tensor_active_percent",
     [](const StageRecord& s) { return s.counters.tensor_active.mean_percent; }},
    {"DRAM active (%)", "dram_active_percent",
     [](const StageRecord& s) { return s.counters.dram_active.mean_percent; }},
    {"GPU busy (%)", "gpu_busy_percent", [](const StageRecord& s) { return s.counters.gpu_busy.mean_percent; }},
    {"Power (W)", "power_w", [](const StageRecord& s) { return number(s.power_mean_w); }},
    {"SM clock (MHz)", "sm_clock_mhz", [](const StageRecord& s) { return middle(s.sm_clock_mhz); }},
    {"GPU temperature (C)", "gpu_temperature_c", [](const StageRecord& s) { return middle(s.gpu_temperature_c); }},
    {"GPU pool peak (bytes)", nullptr, [](const StageRecord& s) { return number(s.device_memory.pool_peak_bytes); }},
    {"GPU process peak (bytes)", nullptr,
     [](const StageRecord& s) { return number(s.device_memory.process_peak_bytes); }},
    {"GPU device peak (bytes)", "gpu_device_bytes",
     [](const StageRecord& s) { return number(s.device_memory.device_peak_bytes); }},
    {"Process memory peak (bytes)", "process_resident_bytes",
     [](const StageRecord& s) { return number(s.host_memory.process_peak_bytes); }},
    {"PCIe to device (bytes/s)", nullptr, [](const StageRecord& s) { return number(s.pcie_rx_bytes_per_s); }},
    {"PCIe to host (bytes/s)", nullptr, [](const StageRecord& s) { return number(s.pcie_tx_bytes_per_s); }},
};

class TraceWriter {
 public:
  void add(const RunRecord& run, const SampleSet* samples) {
    ++process_;
    const Timeline timeline = timeline_of(run);
    origin_ns_ = timeline.earliest_ns;
    metadata("process_name", 0, {{"name", title_of(run)}});
    metadata("process_sort_index", 0, {{"sort_index", process_}});
    std::string note = timeline.reconstructed ? "durations only in the source: stages laid end to end" : "";
    metadata("process_labels", 0, {{"labels", note}});
    for (size_t row = 0; row < timeline.rows.size(); ++row) {
      metadata("thread_name", thread(row), {{"name", timeline.rows[row].name}});
      metadata("thread_sort_index", thread(row), {{"sort_index", row}});
    }
    for (const TimelineSpan& span : timeline.spans) slice(span);
    for (const CounterTrack& track : kTracks) counter(track, timeline, samples);
    if (samples != nullptr)
      for (const SampleSeries& series : samples->series) sampled(series);
    if (run.status != RunStatus::kOk) ending(run, timeline);
  }

  std::string text() const {
    const Json trace = {{"displayTimeUnit", "ms"}, {"traceEvents", events_}};
    return trace.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

 private:
  double microseconds(int64_t at_ns) const { return static_cast<double>(at_ns - origin_ns_) * kMicroseconds; }
  static int thread(size_t row) { return static_cast<int>(row) + 1; }

  void metadata(const char* name, int thread_id, Json args) {
    events_.push_back({{"ph", "M"}, {"name", name}, {"pid", process_}, {"tid", thread_id}, {"args", std::move(args)}});
  }

  void slice(const TimelineSpan& span) {
    events_.push_back({{"ph", "X"},
                       {"name", span.stage->name},
                       {"cat", to_string(span.stage->kind)},
                       {"pid", process_},
                       {"tid", thread(static_cast<size_t>(span.row))},
                       {"ts", microseconds(span.begin_ns)},
                       {"dur", static_cast<double>(span.end_ns - span.begin_ns) * kMicroseconds},
                       {"args", span_args(*span.stage)}});
  }

  /// A track that samples draw finer is left to them.
  void counter(const CounterTrack& track, const Timeline& timeline, const SampleSet* samples) {
    if (samples != nullptr && track.sampled_as != nullptr &&
        std::any_of(samples->series.begin(), samples->series.end(),
                    [&](const SampleSeries& series) { return series.name == track.sampled_as; }))
      return;
    for (const TimelineSpan& span : timeline.spans) {
      if (span.row != 0 || span.stage->kind != StageKind::kLeaf) continue;
      const std::optional<double> value = track.value(*span.stage);
      if (!value) continue;
      events_.push_back({{"ph", "C"},
                         {"name", track.name},
                         {"pid", process_},
                         {"tid", 0},
                         {"ts", microseconds(span.begin_ns)},
                         {"args", {{"mean of the stage", *value}}}});
    }
  }

  void sampled(const SampleSeries& series) {
    for (size_t i = 0; i < series.values.size(); ++i)
      events_.push_back({{"ph", "C"},
                         {"name", series.name},
                         {"pid", process_},
                         {"tid", 0},
                         {"ts", microseconds(series.begin_ns[i])},
                         {"args", {{"value", series.values[i]}}}});
  }

  void ending(const RunRecord& run, const Timeline& timeline) {
    int64_t end_ns = timeline.earliest_ns;
    for (const TimelineSpan& span : timeline.spans) end_ns = std::max(end_ns, span.end_ns);
    Json args = {{"message", run.error ? run.error->message : ""}};
    events_.push_back({{"ph", "i"},
                       {"s", "p"},
                       {"name", to_string(run.status)},
                       {"pid", process_},
                       {"tid", 0},
                       {"ts", microseconds(end_ns)},
                       {"args", std::move(args)}});
  }

  int process_ = 0;
  int64_t origin_ns_ = 0;
  Json events_ = Json::array();
};

}  // namespace

std::string trace_json(const std::vector<const RunRecord*>& records, const std::map<std::string, SampleSet>& samples) {
  TraceWriter writer;
  for (const RunRecord* record : records) {
    const auto found = samples.find(record->id);
    writer.add(*record, found == samples.end() ? nullptr : &found->second);
  }
  return writer.text();
}

}  // namespace wan::report
