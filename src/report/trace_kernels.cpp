#include "report/trace_kernels.h"

#include <map>
#include <unordered_map>

#include <fmt/format.h>

namespace wan::report {
namespace {

/// The rows of one stream or thread: each slice on the first where it nests. Slices come by begin, the longer first.
class Rows {
 public:
  Rows(std::string name, bool on_device) : name_(std::move(name)), on_device_(on_device) {}

  /// The number of the row among these.
  size_t place(const RowSlice& slice) {
    size_t row = 0;
    while (row < open_.size() && !fits(open_[row], slice)) ++row;
    if (row == open_.size()) {
      open_.emplace_back();
      rows_.push_back({row == 0 ? name_ : fmt::format("{} ({})", name_, row + 1), on_device_, {}});
    }
    open_[row].push_back(slice.end_ns);
    rows_[row].slices.push_back(slice);
    return row;
  }

  std::vector<EventRow> take() { return std::move(rows_); }

 private:
  /// Forgets what has ended before.
  static bool fits(std::vector<int64_t>& open, const RowSlice& slice) {
    while (!open.empty() && open.back() <= slice.begin_ns) open.pop_back();
    return open.empty() || slice.end_ns <= open.back();
  }

  std::string name_;
  bool on_device_;
  std::vector<EventRow> rows_;
  std::vector<std::vector<int64_t>> open_;  // ends of the slices around the next one, innermost last
};

struct Placed {
  uint32_t group = 0;
  size_t row = 0;
};

/// Rows of all streams, or of all threads, by their number.
template <class Event, class Number, class Name>
std::vector<Placed> place_all(const std::vector<Event>& events, std::map<uint32_t, Rows>& groups, Number number,
                              Name name, bool on_device) {
  std::vector<Placed> placed(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    const uint32_t group = number(events[i]);
    const auto rows = groups.try_emplace(group, name(group), on_device).first;
    placed[i] = {group, rows->second.place({events[i].begin_ns, events[i].end_ns, i})};
  }
  return placed;
}

/// Moves the groups' rows to the end of `out`; says where each group begins.
std::map<uint32_t, size_t> append(std::map<uint32_t, Rows>& groups, std::vector<EventRow>& out) {
  std::map<uint32_t, size_t> first;
  for (auto& [number, rows] : groups) {
    first[number] = out.size();
    for (EventRow& row : rows.take()) out.push_back(std::move(row));
  }
  return first;
}

std::string thread_title(const HostThread& thread) {
  return fmt::format("Host thread {}{}{}", thread.id, thread.name.empty() ? "" : " ", thread.name);
}

}  // namespace

EventRows rows_of(const KernelEvents& events) {
  std::map<uint32_t, Rows> streams, threads;
  const auto on_streams = place_all(
      events.device, streams, [](const DeviceEvent& event) { return event.stream; },
      [](uint32_t stream) { return fmt::format("CUDA stream {}", stream); }, true);
  const auto on_threads = place_all(
      events.host, threads, [](const HostCall& call) { return call.thread; },
      [&](uint32_t thread) { return thread_title(events.threads[thread]); }, false);
  EventRows out;
  const auto first_of_stream = append(streams, out.rows), first_of_thread = append(threads, out.rows);
  std::unordered_map<uint32_t, size_t> calls;  // by correlation: the outermost, which comes first
  for (size_t i = 0; i < events.host.size(); ++i) calls.try_emplace(events.host[i].correlation, i);
  for (size_t i = 0; i < events.device.size(); ++i) {
    const auto call = calls.find(events.device[i].correlation);
    if (call == calls.end() || events.host[call->second].begin_ns > events.device[i].begin_ns) continue;
    const Placed &from = on_threads[call->second], &to = on_streams[i];
    out.arrows.push_back({first_of_thread.at(from.group) + from.row, first_of_stream.at(to.group) + to.row,
                          events.host[call->second].begin_ns, events.device[i].begin_ns});
  }
  return out;
}

}  // namespace wan::report
