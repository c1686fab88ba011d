#include "suite/protocol.h"

#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "results/enum_names.h"
#include "results/json.h"

namespace wan::suite {
namespace {

using Json = nlohmann::json;

Json own_json(const measure::TreeReading& own) {
  return {{"at_ns", own.at_ns},
          {"cpu_ns", own.cpu_ns},
          {"anonymous_bytes", own.memory.anonymous},
          {"file_bytes", own.memory.file},
          {"shared_bytes", own.memory.shared},
          {"swapped_bytes", own.memory.swapped},
          {"high_water_bytes", own.memory.high_water},
          {"disk_read_bytes", own.disk_read_bytes},
          {"read_bytes", own.read_bytes},
          {"major_faults", own.major_faults}};
}

/// Into the message: `stage` is the published name, the rest what it means.
void put_stage(Json& json, const StageId& id) {
  json["stage"] = id.name;
  json["role"] = enum_name(id.role);
  json["index"] = id.index;
  json["expert"] = id.expert;
  if (id.clip >= 0) json["clip"] = id.clip;
}

/// A key that is left out when there is no value.
template <class T>
void put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

struct Writer {
  Json operator()(const Hello& hello) const { return {{"type", "hello"}, {"protocol", hello.protocol}}; }
  Json operator()(const NextVideo& next) const {
    return {{"type", "next_video"}, {"index", next.index}, {"own", own_json(next.own)}};
  }
  Json operator()(const Decided& decided) const {
    return {{"type", "decided"},
            {"execution", Json::parse(execution_to_json(decided.execution))},
            {"predicted_peak_bytes", decided.predicted_peak_bytes}};
  }
  Json operator()(const ClockTied& tied) const {
    return {{"type", "clock"}, {"residual_ns", tied.residual_ns}, {"uncertainty_ns", tied.uncertainty_ns}};
  }
  Json operator()(const Begin& begin) const {
    Json json{{"type", "begin"}, {"steps", begin.steps}, {"own", own_json(begin.own)}};
    put_stage(json, begin.stage);
    return json;
  }
  Json operator()(const StageSpan& span) const {
    Json json{
        {"type", "span"},        {"component", span.component}, {"hidden", span.hidden}, {"begin_ns", span.begin_ns},
        {"end_ns", span.end_ns}, {"bytes", span.bytes},         {"flops", span.flops}};
    put_stage(json, span.stage);
    put(json, "gpu_ns", span.gpu_ns);
    put(json, "exposed_copy_ns", span.exposed_copy_ns);
    put(json, "hidden_copy_ns", span.hidden_copy_ns);
    return json;
  }
  Json operator()(const Range& range) const {
    return {{"type", "range"},        {"thread", range.thread}, {"depth", range.depth}, {"begin_ns", range.begin_ns},
            {"end_ns", range.end_ns}, {"name", range.name}};
  }
  Json operator()(const Memory& memory) const {
    Json json{{"type", "memory"}, {"device_bytes", memory.device_bytes}, {"host_bytes", memory.host_bytes}};
    put_stage(json, memory.stage);
    put(json, "device_peak_bytes", memory.device_peak_bytes);
    return json;
  }
  Json operator()(const CounterState& state) const {
    return {{"type", "counter_state"}, {"names", state.names}, {"reason", state.reason}};
  }
  Json operator()(const Monitor& monitor) const { return {{"type", "monitor"}, {"on", monitor.on}}; }
  Json operator()(const Counters& counters) const {
    Json rows = Json::array();
    for (const measure::CounterSample& sample : counters.batch.samples)
      rows.push_back(
          {sample.begin_ns, sample.end_ns, or_null(sample.sm), or_null(sample.tensor), or_null(sample.dram)});
    return {{"type", "counters"}, {"seen_ns", counters.batch.seen_ns}, {"samples", std::move(rows)}};
  }
  Json operator()(const Fact& fact) const { return {{"type", "fact"}, {"key", fact.key}, {"value", fact.value}}; }
  Json operator()(const Kernels& kernels) const {
    return {{"type", "kernels"},
            {"trace", Json::parse(kernels_to_json(kernels.trace))},
            {"events", Json::parse(kernel_events_to_json(kernels.events))}};
  }
  Json operator()(const Fidelity& fidelity) const {
    return {{"type", "fidelity"}, {"found", Json::parse(fidelity_to_json(fidelity.found))}};
  }
  Json operator()(const Finished& end) const {
    Json json{
        {"type", "finished"},           {"task", end.task}, {"width", end.width}, {"height", end.height},
        {"num_frames", end.num_frames}, {"fps", end.fps},   {"steps", end.steps}, {"video_sha256", end.video_sha256},
        {"own", own_json(end.own)}};
    if (end.forwards) json["forwards"] = Json::parse(forwards_to_json(*end.forwards));
    return json;
  }
  Json operator()(const Failure& failure) const {
    Json json{{"type", "failure"},
              {"kind", failure.kind},
              {"message", failure.message},
              {"what_for", failure.what_for},
              {"advice", failure.advice}};
    put(json, "requested_bytes", failure.requested_bytes);
    put(json, "free_bytes", failure.free_bytes);
    return json;
  }
};

constexpr Bounds<int64_t> kInstant{0, kMostNs};  // of CLOCK_MONOTONIC, or of a device's clock
constexpr Bounds<int> kIndex{-1, 1'000'000};
constexpr Bounds<int> kCount{0, 1'000'000};
constexpr Bounds<int64_t> kSize{0, 1'000'000'000};
constexpr Bounds<double> kAmount{0, 1e30};
constexpr Bounds<double> kShare{0, 1000};  // of a peak; a reading may lie a little above it

/// The members of a message, each within what it means. All throw Error(kInput) naming the message and the member.
class Fields {
 public:
  Fields(const Json& json, std::string where) : reader_(json, std::move(where)) {}

  const Json& member(std::string_view key) {
    const Json* found = reader_.find(key);
    if (found == nullptr) throw reader_.error(fmt::format("field '{}' is missing", key));
    return *found;
  }
  template <class T>
  T get(std::string_view key) {
    member(key);
    T value{};
    reader_.read(key, value);
    return value;
  }
  template <Number T>
  T get(std::string_view key, const Bounds<T>& bounds) {
    member(key);
    T value{};
    reader_.read(key, value, bounds);
    return value;
  }
  std::string text(std::string_view key) { return get<std::string>(key); }
  int64_t instant(std::string_view key) { return get(key, kInstant); }
  template <Number T>
  std::optional<T> take(std::string_view key, const Bounds<T>& bounds = {}) {
    std::optional<T> value;
    reader_.read(key, value, bounds);
    return value;
  }
  bool has(std::string_view key) { return reader_.find(key) != nullptr; }
  Error error(std::string_view what) const { return reader_.error(what); }

 private:
  JsonReader reader_;
};

measure::TreeReading own_of(Fields& message) {
  const Json& json = message.member("own");
  Fields fields(json, "the reading of a message");
  measure::TreeReading own;
  own.at_ns = fields.instant("at_ns");
  if (json.size() == 1) return own;  // from a program that is not ours
  own.cpu_ns = fields.instant("cpu_ns");
  own.memory.anonymous = fields.get<uint64_t>("anonymous_bytes");
  own.memory.file = fields.get<uint64_t>("file_bytes");
  own.memory.shared = fields.get<uint64_t>("shared_bytes");
  own.memory.swapped = fields.get<uint64_t>("swapped_bytes");
  own.memory.high_water = fields.get<uint64_t>("high_water_bytes");
  own.disk_read_bytes = fields.get<uint64_t>("disk_read_bytes");
  own.read_bytes = fields.get<uint64_t>("read_bytes");
  own.major_faults = fields.get<uint64_t>("major_faults");
  own.processes = 1;
  return own;
}

/// A program that is not ours says the name alone.
StageId stage_of(Fields& message) {
  const std::string name = message.text("stage");
  if (!message.has("role")) return stage_from_name(name);
  StageId stage{message.get<StageRole>("role"), message.get("index", kIndex), message.text("expert"), name};
  if (message.has("clip")) stage.clip = message.get("clip", kIndex);
  return stage;
}

/// A span has a begin and an end behind it.
std::pair<int64_t, int64_t> interval_of(Fields& message) {
  const std::pair interval{message.instant("begin_ns"), message.instant("end_ns")};
  if (interval.second < interval.first) throw message.error("ends before it begins");
  return interval;
}

std::map<std::string, uint64_t> bytes_of(Fields& message, std::string_view key) {
  std::map<std::string, uint64_t> bytes;
  Fields fields(message.member(key), fmt::format("field '{}' of a message", key));
  for (const auto& [component, value] : message.member(key).items()) bytes[component] = fields.get<uint64_t>(component);
  return bytes;
}

measure::CounterSample sample_from(const Json& row) {
  constexpr size_t kCells = 5;
  const bool is_row = row.is_array() && row.size() == kCells;
  const auto begin_ns = is_row ? json_number(row[0], kInstant) : std::nullopt;
  const auto end_ns = is_row ? json_number(row[1], kInstant) : std::nullopt;
  require(begin_ns && end_ns && *begin_ns <= *end_ns, "counters: expected [begin_ns, end_ns, sm, tensor, dram]",
          ErrorKind::kInput);
  measure::CounterSample sample{*begin_ns, *end_ns, {}, {}, {}};
  std::optional<double>* const shares[] = {&sample.sm, &sample.tensor, &sample.dram};
  for (size_t i = 0; i < std::size(shares); ++i) {
    const Json& cell = row[i + 2];
    *shares[i] = json_number(cell, kShare);
    require(cell.is_null() || *shares[i], "counters: a share must be a number from 0 on, or null", ErrorKind::kInput);
  }
  return sample;
}

Counters counters_of(Fields& message) {
  Counters counters{{message.instant("seen_ns"), {}}};
  const Json& rows = message.member("samples");
  if (!rows.is_array()) throw message.error("field 'samples' must be a list");
  for (const Json& row : rows) counters.batch.samples.push_back(sample_from(row));
  return counters;
}

StageSpan span_of(Fields& message) {
  StageSpan span;
  span.stage = stage_of(message);
  span.component = message.text("component");
  span.hidden = message.get<bool>("hidden");
  std::tie(span.begin_ns, span.end_ns) = interval_of(message);
  span.bytes = message.get<uint64_t>("bytes");
  span.flops = message.get("flops", kAmount);
  span.gpu_ns = message.take("gpu_ns", kTimes);
  span.exposed_copy_ns = message.take("exposed_copy_ns", kTimes);
  span.hidden_copy_ns = message.take("hidden_copy_ns", kTimes);
  return span;
}

Finished finished_of(Fields& message) {
  Finished finished{message.text("task"),         message.get("width", kSize),
                    message.get("height", kSize), message.get("num_frames", kSize),
                    message.get("fps", kAmount),  message.get("steps", kCount),
                    message.text("video_sha256"), own_of(message)};
  if (message.has("forwards"))
    finished.forwards = forwards_from_json(message.member("forwards").dump(), "message 'finished'");
  return finished;
}

Kernels kernels_of(Fields& message) {
  const std::string where = "message 'kernels'";
  return {kernels_from_json(message.member("trace").dump(), where),
          kernel_events_from_json(message.member("events").dump(), where)};
}

/// Nothing where no message is of that type.
std::optional<Message> decode_type(const std::string& type, Fields& message) {
  if (type == "hello") return Hello{message.get("protocol", kCount)};
  if (type == "next_video") return NextVideo{message.get("index", kCount), own_of(message)};
  if (type == "decided")
    return Decided{execution_from_json(message.member("execution").dump(), "message 'decided'"),
                   message.get<uint64_t>("predicted_peak_bytes")};
  if (type == "clock") return ClockTied{message.get("residual_ns", kTimes), message.get("uncertainty_ns", kTimes)};
  if (type == "begin") return Begin{stage_of(message), message.get("steps", kCount), own_of(message)};
  if (type == "span") return span_of(message);
  if (type == "range") {
    const auto [begin_ns, end_ns] = interval_of(message);
    return Range{message.text("name"), message.get<int64_t>("thread"), message.get("depth", kCount), begin_ns, end_ns};
  }
  if (type == "memory")
    return Memory{stage_of(message), bytes_of(message, "device_bytes"), bytes_of(message, "host_bytes"),
                  message.take<uint64_t>("device_peak_bytes")};
  if (type == "counter_state") return CounterState{message.text("names"), message.text("reason")};
  if (type == "monitor") return Monitor{message.get<bool>("on")};
  if (type == "counters") return counters_of(message);
  if (type == "fact") return Fact{message.text("key"), message.text("value")};
  if (type == "kernels") return kernels_of(message);
  if (type == "fidelity") return Fidelity{fidelity_from_json(message.member("found").dump(), "message 'fidelity'")};
  if (type == "finished") return finished_of(message);
  if (type == "failure")
    return Failure{message.text("kind"),
                   message.text("message"),
                   message.text("what_for"),
                   message.text("advice"),
                   message.take<uint64_t>("requested_bytes"),
                   message.take<uint64_t>("free_bytes")};
  return std::nullopt;
}

Message decode_known(std::string_view line) {
  const Json json = parse_json(line, "a message");
  const std::string type = Fields(json, "a message").text("type");
  Fields fields(json, fmt::format("message '{}'", type));
  const std::optional<Message> message = decode_type(type, fields);
  require(message.has_value(), fmt::format("unknown message type '{}'", type), ErrorKind::kInput);
  return *message;
}

}  // namespace

std::string encode(const Message& message) {
  return std::visit(Writer{}, message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Message decode(std::string_view line) {
  constexpr size_t kShown = 120;
  try {
    return decode_known(line);
  } catch (const Error& failure) {
    throw Error(ErrorKind::kInput, fmt::format("a line from the engine process cannot be read ({}): {}", failure.what(),
                                               line.substr(0, kShown)));
  }
}

}  // namespace wan::suite
