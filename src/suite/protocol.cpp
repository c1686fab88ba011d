#include "suite/protocol.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
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

measure::TreeReading own_from(const Json& json) {
  measure::TreeReading own;
  own.at_ns = json.at("at_ns");
  if (json.size() == 1) return own;  // from a program that is not ours
  own.cpu_ns = json.at("cpu_ns");
  own.memory.anonymous = json.at("anonymous_bytes");
  own.memory.file = json.at("file_bytes");
  own.memory.shared = json.at("shared_bytes");
  own.memory.swapped = json.at("swapped_bytes");
  own.memory.high_water = json.at("high_water_bytes");
  own.disk_read_bytes = json.at("disk_read_bytes");
  own.read_bytes = json.at("read_bytes");
  own.major_faults = json.at("major_faults");
  own.processes = 1;
  return own;
}

/// Into the message: `stage` is the published name, the rest what it means.
void put_stage(Json& json, const StageId& id) {
  json["stage"] = id.name;
  json["role"] = enum_name(id.role);
  json["index"] = id.index;
  json["expert"] = id.expert;
}

/// A program that is not ours says the name alone.
StageId take_stage(const Json& json) {
  if (!json.contains("role")) return stage_from_name(json.at("stage"));
  const auto role = enum_value<StageRole>(json.at("role").get<std::string>());
  require(role.has_value(), fmt::format("'{}' is no role of a stage", json.at("role").get<std::string>()),
          ErrorKind::kInput);
  return {*role, json.at("index"), json.at("expert"), json.at("stage")};
}

/// A key that is left out when there is no value.
template <class T>
void put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

template <class T>
std::optional<T> take(const Json& json, const char* key) {
  return json.contains(key) ? std::optional<T>(json.at(key).get<T>()) : std::nullopt;
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

measure::CounterBatch batch_from(const Json& json) {
  const auto value = [](const Json& cell) {
    return cell.is_null() ? std::nullopt : std::optional<double>(cell.get<double>());
  };
  measure::CounterBatch batch{json.at("seen_ns"), {}};
  for (const Json& row : json.at("samples"))
    batch.samples.push_back({row.at(0), row.at(1), value(row.at(2)), value(row.at(3)), value(row.at(4))});
  return batch;
}

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
  Json operator()(const Finished& end) const {
    return {
        {"type", "finished"},           {"task", end.task}, {"width", end.width}, {"height", end.height},
        {"num_frames", end.num_frames}, {"fps", end.fps},   {"steps", end.steps}, {"video_sha256", end.video_sha256},
        {"own", own_json(end.own)}};
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

Message decode_known(const Json& json) {
  const std::string type = json.at("type");
  if (type == "hello") return Hello{json.at("protocol")};
  if (type == "next_video") return NextVideo{json.at("index"), own_from(json.at("own"))};
  if (type == "decided")
    return Decided{execution_from_json(json.at("execution").dump(), "message 'decided'"),
                   json.at("predicted_peak_bytes")};
  if (type == "clock") return ClockTied{json.at("residual_ns"), json.at("uncertainty_ns")};
  if (type == "begin") return Begin{take_stage(json), json.at("steps"), own_from(json.at("own"))};
  if (type == "span")
    return StageSpan{take_stage(json),
                     json.at("component"),
                     json.at("hidden"),
                     json.at("begin_ns"),
                     json.at("end_ns"),
                     json.at("bytes"),
                     json.at("flops"),
                     take<int64_t>(json, "gpu_ns"),
                     take<int64_t>(json, "exposed_copy_ns"),
                     take<int64_t>(json, "hidden_copy_ns")};
  if (type == "range")
    return Range{json.at("name"), json.at("thread"), json.at("depth"), json.at("begin_ns"), json.at("end_ns")};
  if (type == "memory")
    return Memory{take_stage(json), json.at("device_bytes"), json.at("host_bytes"),
                  take<uint64_t>(json, "device_peak_bytes")};
  if (type == "counter_state") return CounterState{json.at("names"), json.at("reason")};
  if (type == "monitor") return Monitor{json.at("on")};
  if (type == "counters") return Counters{batch_from(json)};
  if (type == "fact") return Fact{json.at("key"), json.at("value")};
  if (type == "kernels")
    return Kernels{kernels_from_json(json.at("trace").dump(), "message 'kernels'"),
                   kernel_events_from_json(json.at("events").dump(), "message 'kernels'")};
  if (type == "finished")
    return Finished{json.at("task"), json.at("width"), json.at("height"),       json.at("num_frames"),
                    json.at("fps"),  json.at("steps"), json.at("video_sha256"), own_from(json.at("own"))};
  if (type == "failure")
    return Failure{json.at("kind"),
                   json.at("message"),
                   json.at("what_for"),
                   json.at("advice"),
                   take<uint64_t>(json, "requested_bytes"),
                   take<uint64_t>(json, "free_bytes")};
  throw Error(ErrorKind::kInput, fmt::format("unknown message type '{}' from the engine process", type));
}

}  // namespace

std::string encode(const Message& message) {
  return std::visit(Writer{}, message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Message decode(std::string_view line) {
  try {
    return decode_known(Json::parse(line));
  } catch (const Json::exception& failure) {
    throw Error(ErrorKind::kInput, fmt::format("a line from the engine process cannot be read ({}): {}", failure.what(),
                                               line.substr(0, 120)));
  }
}

}  // namespace wan::suite
