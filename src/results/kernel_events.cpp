// Columns as JSON arrays: a step has thousands of events.
#include "results/kernel_events.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "results/enum_names.h"
#include "results/store.h"

namespace wan {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = uint64_t{256} << 20;  // a whole run of 50 steps has about 20 MB
constexpr int64_t kNoLaunch = -1;                     // in the column of launches

template <class Event, class Value>
Json column(const std::vector<Event>& events, Value value) {
  Json out = Json::array();
  for (const Event& event : events) out.push_back(value(event));
  return out;
}

Json device_columns(const std::vector<DeviceEvent>& device) {
  return {{"begin_ns", column(device, [](const DeviceEvent& e) { return e.begin_ns; })},
          {"end_ns", column(device, [](const DeviceEvent& e) { return e.end_ns; })},
          {"name", column(device, [](const DeviceEvent& e) { return e.name; })},
          {"launch", column(device, [](const DeviceEvent& e) { return e.launch ? int64_t{*e.launch} : kNoLaunch; })},
          {"stream", column(device, [](const DeviceEvent& e) { return e.stream; })},
          {"correlation", column(device, [](const DeviceEvent& e) { return e.correlation; })},
          {"bytes", column(device, [](const DeviceEvent& e) { return e.bytes; })}};
}

Json host_columns(const std::vector<HostCall>& host) {
  return {{"begin_ns", column(host, [](const HostCall& c) { return c.begin_ns; })},
          {"end_ns", column(host, [](const HostCall& c) { return c.end_ns; })},
          {"name", column(host, [](const HostCall& c) { return c.name; })},
          {"thread", column(host, [](const HostCall& c) { return c.thread; })},
          {"correlation", column(host, [](const HostCall& c) { return c.correlation; })}};
}

/// Columns of one length, each value within its bounds.
class Columns {
 public:
  Columns(const Json& json, std::string what)
      : what_(std::move(what)), begin_(json_numbers(json.at("begin_ns"), "begin_ns", kTimes)) {
    end_ = numbers(json, "end_ns", kTimes);
    for (size_t i = 0; i < rows(); ++i)
      require(begin_[i] <= end_[i] && (i == 0 || begin_[i - 1] <= begin_[i]),
              fmt::format("{}: times out of order in row {}", what_, i));
  }

  size_t rows() const { return begin_.size(); }
  int64_t begin_ns(size_t row) const { return begin_[row]; }
  int64_t end_ns(size_t row) const { return end_[row]; }

  /// Each from `least` to below `bound`.
  std::vector<int64_t> take(const Json& json, const char* key, int64_t least, int64_t bound) const {
    std::vector<int64_t> values = numbers(json, key, {});
    for (size_t i = 0; i < values.size(); ++i)
      require(least <= values[i] && values[i] < bound,
              fmt::format("{}.{}: expected {} to {} in row {}, found {}", what_, key, least, bound - 1, i, values[i]));
    return values;
  }

 private:
  std::vector<int64_t> numbers(const Json& json, const char* key, const Bounds<int64_t>& bounds) const {
    auto values = json_numbers(json.at(key), fmt::format("{}.{}", what_, key), bounds);
    require(values.size() == rows(), fmt::format("{}.{}: columns of unequal length", what_, key));
    return values;
  }

  std::string what_;
  std::vector<int64_t> begin_, end_;
};

constexpr int64_t kNumbers = int64_t{1} << 32;  // of a column of 32-bit numbers
constexpr int64_t kBytes = std::numeric_limits<int64_t>::max();

std::vector<DeviceEvent> device_from(const Json& json, const KernelEvents& events) {
  const Columns columns(json, "device");
  const auto names = columns.take(json, "name", 0, std::ssize(events.names));
  const auto launches = columns.take(json, "launch", kNoLaunch, std::ssize(events.launches));
  const auto streams = columns.take(json, "stream", 0, kNumbers);
  const auto correlations = columns.take(json, "correlation", 0, kNumbers);
  const auto bytes = columns.take(json, "bytes", 0, kBytes);
  std::vector<DeviceEvent> out(columns.rows());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = {columns.begin_ns(i), columns.end_ns(i), static_cast<uint32_t>(names[i]), {}, 0, 0, bytes[i]};
    if (launches[i] != kNoLaunch) out[i].launch = static_cast<uint32_t>(launches[i]);
    out[i].stream = static_cast<uint32_t>(streams[i]);
    out[i].correlation = static_cast<uint32_t>(correlations[i]);
  }
  return out;
}

std::vector<HostCall> host_from(const Json& json, const KernelEvents& events) {
  const Columns columns(json, "host");
  const auto names = columns.take(json, "name", 0, std::ssize(events.call_names));
  const auto threads = columns.take(json, "thread", 0, std::ssize(events.threads));
  const auto correlations = columns.take(json, "correlation", 0, kNumbers);
  std::vector<HostCall> out(columns.rows());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = {columns.begin_ns(i), columns.end_ns(i), static_cast<uint32_t>(names[i]),
              static_cast<uint32_t>(threads[i]), static_cast<uint32_t>(correlations[i])};
  return out;
}

KernelName name_from(const Json& json) {
  const std::string word = json.at("kind");
  for (const auto& [kind, known] : EnumNames<KernelKind>::kTable)
    if (word == known) return {json.at("name"), kind};
  throw Error(ErrorKind::kInput, fmt::format("'{}' is no kind of kernel", word));
}

int64_t whole_from(const Json& json, const char* key) {
  const auto value = json_number(json.at(key), Bounds<int64_t>{0, kBytes});
  require(value.has_value(), fmt::format("{}: expected a whole number from 0 on", key), ErrorKind::kInput);
  return *value;
}

std::array<int64_t, 3> extent_from(const Json& json, const char* key) {
  const std::vector<int64_t> sides = json_numbers(json.at(key), key, Bounds<int64_t>{0, kNumbers});
  require(sides.size() == 3, fmt::format("{}: expected three numbers, found {}", key, sides.size()), ErrorKind::kInput);
  return {sides[0], sides[1], sides[2]};
}

}  // namespace

std::string kernel_events_to_json(const KernelEvents& events) {
  Json names = Json::array(), launches = Json::array(), threads = Json::array();
  for (const KernelName& name : events.names) names.push_back({{"name", name.name}, {"kind", to_string(name.kind)}});
  for (const LaunchShape& shape : events.launches)
    launches.push_back({{"grid", shape.grid},
                        {"block", shape.block},
                        {"registers", shape.registers},
                        {"shared_bytes", shape.shared_bytes}});
  for (const HostThread& thread : events.threads) threads.push_back({{"id", thread.id}, {"name", thread.name}});
  const Json json{
      {"format", kKernelEventsFormat},           {"stages", events.stages},          {"names", std::move(names)},
      {"launches", std::move(launches)},         {"calls", events.call_names},       {"threads", std::move(threads)},
      {"device", device_columns(events.device)}, {"host", host_columns(events.host)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

KernelEvents kernel_events_from_json(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  try {
    require(json.at("format") == kKernelEventsFormat, fmt::format("expected format {}", kKernelEventsFormat));
    KernelEvents events;
    events.stages = json.at("stages");
    for (const Json& name : json.at("names")) events.names.push_back(name_from(name));
    for (const Json& shape : json.at("launches"))
      events.launches.push_back({extent_from(shape, "grid"), extent_from(shape, "block"),
                                 whole_from(shape, "registers"), whole_from(shape, "shared_bytes")});
    events.call_names = json.at("calls").get<std::vector<std::string>>();
    for (const Json& thread : json.at("threads"))
      events.threads.push_back({whole_from(thread, "id"), thread.at("name")});
    events.device = device_from(json.at("device"), events);
    events.host = host_from(json.at("host"), events);
    return events;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: not a file of kernel events: {}", where, error.what()));
  }
}

void shift(KernelEvents& events, int64_t by_ns) {
  const auto moved = [by_ns](int64_t& at_ns) {
    at_ns = std::clamp(at_ns, kTimes.least, kTimes.most) + by_ns;
    return kTimes.hold(at_ns);
  };
  const auto is_lost = [&](auto& event) {
    const bool begins = moved(event.begin_ns), ends = moved(event.end_ns);
    return !begins || !ends;
  };
  const auto move_all = [&](auto& all) {
    std::vector<bool> lost;
    lost.reserve(all.size());
    for (auto& event : all) lost.push_back(is_lost(event));
    size_t index = 0;
    std::erase_if(all, [&](const auto&) { return lost[index++]; });
  };
  move_all(events.device);
  move_all(events.host);
}

void store_kernel_events(const fs::path& folder, RunRecord& record, const KernelEvents& events) {
  if (events.device.empty()) return;
  const std::string name = run_file_stem(record) + ".kernels.json";
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  write_atomically(folder / name, kernel_events_to_json(events));
  record.trace_file = name;
}

std::optional<KernelEvents> load_kernel_events(const fs::path& record_file, const RunRecord& record) {
  const std::optional<fs::path> file = file_beside(record_file, record.trace_file);
  if (!file) return std::nullopt;
  return kernel_events_from_json(read_text(*file, kMostBytes), file->string());
}

}  // namespace wan
