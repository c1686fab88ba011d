// The checker of trace.h: what an importer would drop or draw wrongly, named.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/trace.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;
using Track = std::pair<int64_t, int64_t>;  // process, thread

struct Slice {
  double begin = 0, end = 0;
  std::string name;
};

class Checker {
 public:
  std::string check(const std::string& text) {
    const Json trace = Json::parse(text, nullptr, false);
    if (trace.is_discarded()) return "not JSON";
    if (!trace.is_object() || !trace.contains("traceEvents") || !trace["traceEvents"].is_array())
      return "no array traceEvents";
    for (const Json& event : trace["traceEvents"]) {
      const std::string problem = check_event(event);
      if (!problem.empty()) return problem + ": " + event.dump();
    }
    for (const Track& track : used_)
      if (!named_.contains(track)) return fmt::format("thread {} of process {} has no name", track.second, track.first);
    for (auto& [track, slices] : slices_) {
      const std::string problem = check_nesting(slices);
      if (!problem.empty()) return problem;
    }
    return "";
  }

 private:
  std::string check_event(const Json& event) {
    if (!event.is_object()) return "an event is not an object";
    for (const char* key : {"ph", "name"})
      if (!event.contains(key) || !event[key].is_string()) return fmt::format("no text '{}'", key);
    for (const char* key : {"pid", "tid"})
      if (!event.contains(key) || !event[key].is_number_integer()) return fmt::format("no whole number '{}'", key);
    const std::string phase = event["ph"];
    const Track track{event["pid"], event["tid"]};
    if (phase == "M") {
      if (!event.contains("args") || !event["args"].is_object()) return "metadata without args";
      if (event["name"] == "thread_name") named_.insert(track);
      return "";
    }
    if (!is_time(event, "ts")) return "no time 'ts'";
    if (phase == "X") {
      if (!is_time(event, "dur")) return "no duration 'dur'";
      used_.insert(track);
      slices_[track].push_back({event["ts"], event["ts"].get<double>() + event["dur"].get<double>(), event["name"]});
      return "";
    }
    if (phase == "C") return check_counter(event);
    return phase == "i" ? "" : "unknown phase";
  }

  static bool is_time(const Json& event, const char* key) {
    return event.contains(key) && event[key].is_number() && std::isfinite(event[key].get<double>()) &&
           event[key].get<double>() >= 0;
  }

  static std::string check_counter(const Json& event) {
    if (!event.contains("args") || !event["args"].is_object() || event["args"].empty()) return "counter without value";
    for (const Json& value : event["args"])
      if (!value.is_number()) return "counter value is not a number";
    return "";
  }

  static std::string check_nesting(std::vector<Slice>& slices) {
    // Times are written in microseconds with a nanosecond's digits: less than half of one is rounding.
    constexpr double kRounding = 0.0005;
    std::sort(slices.begin(), slices.end(),
              [](const Slice& a, const Slice& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
    std::vector<const Slice*> open;
    for (const Slice& slice : slices) {
      while (!open.empty() && open.back()->end <= slice.begin + kRounding) open.pop_back();
      if (!open.empty() && slice.end > open.back()->end + kRounding)
        return fmt::format("slices '{}' and '{}' share time without nesting", open.back()->name, slice.name);
      open.push_back(&slice);
    }
    return "";
  }

  std::set<Track> named_, used_;
  std::map<Track, std::vector<Slice>> slices_;
};

}  // namespace

std::string trace_problem(const std::string& text) { return Checker().check(text); }

}  // namespace wan::report
