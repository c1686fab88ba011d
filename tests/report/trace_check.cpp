// What an importer would drop or draw wrongly, named.
#include "trace_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace wan::report {
namespace {

using Json = nlohmann::json;
using Track = std::pair<int64_t, int64_t>;  // process, thread

struct Slice {
  double begin = 0, end = 0;
  std::string name;
};

/// What a metadata event must carry, and whether it is one thread's or, on thread 0, a process's.
struct MetadataRule {
  const char* name;
  const char* key;
  bool (*is_right)(const Json&);
  bool of_thread;
};

bool is_text(const Json& value) { return value.is_string(); }
bool is_title(const Json& value) { return value.is_string() && !value.get_ref<const std::string&>().empty(); }
bool is_whole(const Json& value) { return value.is_number_integer(); }

const MetadataRule kMetadata[] = {{"process_name", "name", is_title, false},
                                  {"process_labels", "labels", is_text, false},
                                  {"process_sort_index", "sort_index", is_whole, false},
                                  {"thread_name", "name", is_title, true},
                                  {"thread_sort_index", "sort_index", is_whole, true}};

bool has(const Json& event, const char* key, bool (*is_right)(const Json&)) {
  return event.contains(key) && is_right(event[key]);
}

class Checker {
 public:
  std::string check(const std::string& text) {
    const Json trace = Json::parse(text, nullptr, false);
    if (trace.is_discarded()) return "not JSON";
    if (!trace.is_object() || !trace.contains("traceEvents") || !trace["traceEvents"].is_array())
      return "no array traceEvents";
    if (trace.contains("displayTimeUnit") && trace["displayTimeUnit"] != "ms" && trace["displayTimeUnit"] != "ns")
      return "displayTimeUnit is neither ms nor ns";
    for (const Json& event : trace["traceEvents"]) {
      const std::string problem = check_event(event);
      if (!problem.empty()) return problem + ": " + event.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    for (const Track& track : threads_) {
      const std::string thread = fmt::format("thread {} of process {}", track.second, track.first);
      if (!metadata_.contains({"thread_name", track})) return thread + " has no name";
      if (!metadata_.contains({"thread_sort_index", track})) return thread + " has no place in the order";
    }
    for (const int64_t process : processes_) {
      if (!metadata_.contains({"process_name", {process, 0}})) return fmt::format("process {} has no name", process);
      if (!metadata_.contains({"process_sort_index", {process, 0}}))
        return fmt::format("process {} has no place in the order", process);
    }
    for (auto& [track, slices] : slices_) {
      const std::string problem = check_nesting(slices);
      if (!problem.empty()) return problem;
    }
    return check_arrows();
  }

 private:
  std::string check_event(const Json& event) {
    if (!event.is_object()) return "an event is not an object";
    for (const char* key : {"ph", "name"})
      if (!has(event, key, is_title)) return fmt::format("no text '{}'", key);
    for (const char* key : {"pid", "tid"})
      if (!has(event, key, is_whole) || event[key] < 0) return fmt::format("no whole number '{}'", key);
    if (event.contains("cat") && !event["cat"].is_string()) return "category 'cat' is not text";
    if (event.contains("args") && !event["args"].is_object()) return "'args' is not an object";
    const std::string phase = event["ph"];
    if (phase == "M") return check_metadata(event);
    if (!is_time(event, "ts")) return "no time 'ts'";
    processes_.insert(event["pid"].get<int64_t>());
    if (phase == "X") return check_slice(event);
    if (phase != "C" && phase != "i" && phase != "s" && phase != "f") return "unknown phase";
    if (event.contains("dur")) return "a duration where the phase has none";
    if (phase == "s" || phase == "f") return check_arrow(event);
    return phase == "C" ? check_counter(event) : check_instant(event);
  }

  std::string check_metadata(const Json& event) {
    const auto rule = std::find_if(std::begin(kMetadata), std::end(kMetadata),
                                   [&](const MetadataRule& each) { return event["name"] == each.name; });
    if (rule == std::end(kMetadata)) return "unknown metadata";
    if (!event.contains("args") || !has(event["args"], rule->key, rule->is_right))
      return fmt::format("metadata without a right '{}'", rule->key);
    if (rule->of_thread == (event["tid"] == 0))
      return "metadata of a process stands on thread 0, of a thread on its own";
    return metadata_.insert({rule->name, track_of(event)}).second ? "" : "the same metadata twice";
  }

  std::string check_slice(const Json& event) {
    if (!is_time(event, "dur")) return "no duration 'dur'";
    threads_.insert(track_of(event));
    const double begin = event["ts"].get<double>();
    slices_[track_of(event)].push_back({begin, begin + event["dur"].get<double>(), event["name"]});
    return "";
  }

  static std::string check_counter(const Json& event) {
    if (!event.contains("args") || event["args"].empty()) return "counter without value";
    for (const Json& value : event["args"])
      if (!value.is_number()) return "counter value is not a number";
    return "";
  }

  /// One begin and one later end of each id, both within a slice of their thread (looked at in `check_arrows`).
  std::string check_arrow(const Json& event) {
    if (!has(event, "id", is_whole)) return "an arrow without a whole number 'id'";
    if (!has(event, "cat", is_text)) return "an arrow without 'cat'";
    const bool is_begin = event["ph"] == "s";
    if (!is_begin && (!event.contains("bp") || event["bp"] != "e")) return "an arrow's end not bound to its slice";
    threads_.insert(track_of(event));
    auto& ends = is_begin ? arrow_begins_ : arrow_ends_;
    return ends.insert({event["id"].get<int64_t>(), {track_of(event), event["ts"].get<double>()}}).second
               ? ""
               : "two arrows of one id";
  }

  std::string check_arrows() const {
    if (arrow_begins_.size() != arrow_ends_.size()) return "arrows without a begin or an end";
    for (const auto& [id, begin] : arrow_begins_) {
      const auto end = arrow_ends_.find(id);
      if (end == arrow_ends_.end()) return fmt::format("arrow {} has no end", id);
      if (end->second.at < begin.at) return fmt::format("arrow {} points back in time", id);
      for (const ArrowEnd& one : {begin, end->second})
        if (!within_slice(one)) return fmt::format("arrow {} is outside of every slice", id);
    }
    return "";
  }

  /// Of a thread, a process, or all ("global").
  std::string check_instant(const Json& event) {
    const bool is_known = event.contains("s") && (event["s"] == "t" || event["s"] == "p" || event["s"] == "g");
    if (is_known && event["s"] == "t") threads_.insert(track_of(event));
    return is_known ? "" : "an instant's scope 's' is not t, p or g";
  }

  static Track track_of(const Json& event) { return {event["pid"].get<int64_t>(), event["tid"].get<int64_t>()}; }

  static bool is_time(const Json& event, const char* key) {
    return event.contains(key) && event[key].is_number() && std::isfinite(event[key].get<double>()) &&
           event[key].get<double>() >= 0;
  }

  struct ArrowEnd {
    Track track;
    double at = 0;
  };

  bool within_slice(const ArrowEnd& one) const {
    const auto slices = slices_.find(one.track);
    return slices != slices_.end() &&
           std::any_of(slices->second.begin(), slices->second.end(),
                       [&](const Slice& slice) { return slice.begin <= one.at && one.at <= slice.end; });
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

  std::set<std::pair<std::string, Track>> metadata_;  // seen
  std::set<Track> threads_;                           // with a slice or an instant
  std::set<int64_t> processes_;                       // with an event that is not metadata
  std::map<Track, std::vector<Slice>> slices_;
  std::map<int64_t, ArrowEnd> arrow_begins_, arrow_ends_;
};

}  // namespace

std::string trace_problem(const std::string& text) { return Checker().check(text); }

}  // namespace wan::report
