// The part of trace.json that a traced run has: a row a CUDA stream, a row a host thread, arrows from launch to kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "results/kernel_events.h"

namespace wan::report {

/// A slice of a row.
struct RowSlice {
  int64_t begin_ns = 0, end_ns = 0;
  size_t event = 0;  // its place among the device events or the host calls
};

struct EventRow {
  std::string name;  // "CUDA stream 7", "CUDA stream 7 (2)" for what overlaps there, "Host thread 4711 wanbench"
  bool on_device = true;
  std::vector<RowSlice> slices;  // which nest, by begin
};

/// A call and what it launched: their rows, as numbered in `rows`.
struct LaunchArrow {
  size_t call_row = 0, device_row = 0;
  int64_t call_ns = 0, device_ns = 0;  // begins of the two
};

struct EventRows {
  std::vector<EventRow> rows;  // streams, then threads
  std::vector<LaunchArrow> arrows;
};

/// Slices that share time without nesting get rows of their own. No arrow where the call is not known or, clocks being
/// mapped with a small error, seems to begin after what it launched: arrows cannot point back in time.
EventRows rows_of(const KernelEvents& events);

}  // namespace wan::report
