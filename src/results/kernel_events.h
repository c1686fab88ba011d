// What ran on the card and what the host called for it, one by one: in a file beside the record of a traced run, for
// drawing. The record has the sums (KernelTrace); estimates never use this file.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace wan {

struct KernelName {
  std::string name;
  KernelKind kind = KernelKind::kOther;
  bool operator==(const KernelName&) const = default;
};

/// How a kernel was launched: blocks and threads of a block by x, y, z; what each thread and each block has.
struct LaunchShape {
  std::array<int64_t, 3> grid{}, block{};
  int64_t registers = 0;
  int64_t shared_bytes = 0;  // static and dynamic
  bool operator==(const LaunchShape&) const = default;
};

/// A kernel, a copy or a fill.
struct DeviceEvent {
  int64_t begin_ns = 0, end_ns = 0;
  uint32_t name = 0;               // index into the names
  std::optional<uint32_t> launch;  // index into the launches; empty: a copy or a fill
  uint32_t stream = 0;             // CUPTI's number of the stream
  uint32_t correlation = 0;        // the same as of the call that launched it
  int64_t bytes = 0;               // of a copy or a fill
  bool operator==(const DeviceEvent&) const = default;
};

/// One call of the CUDA runtime or driver.
struct HostCall {
  int64_t begin_ns = 0, end_ns = 0;
  uint32_t name = 0;    // index into the calls' names
  uint32_t thread = 0;  // index into the threads
  uint32_t correlation = 0;
  bool operator==(const HostCall&) const = default;
};

struct HostThread {
  int64_t id = 0;    // of the kernel (gettid)
  std::string name;  // "wanbench"; empty: it had ended
  bool operator==(const HostThread&) const = default;
};

/// Times count from the start of Total_Execution, in the order of their begins.
struct KernelEvents {
  std::string stages;  // whose they are: "Step_12", or "all" for the whole run
  std::vector<KernelName> names;
  std::vector<LaunchShape> launches;
  std::vector<std::string> call_names;
  std::vector<HostThread> threads;
  std::vector<DeviceEvent> device;
  std::vector<HostCall> host;
  bool operator==(const KernelEvents&) const = default;
};

inline constexpr const char* kKernelEventsFormat = "wanbench.kernel_events 1";

/// `KernelEvents::stages` of a run whose every kernel was kept.
inline constexpr const char* kAllStages = "all";

std::string kernel_events_to_json(const KernelEvents& events);
/// Throws Error(kInput) naming `where` when it is not such a file: columns of unequal length, times out of order, an
/// index without its entry.
KernelEvents kernel_events_from_json(std::string_view text, const std::string& where);

/// Moves all times by `by_ns`. What then lies beyond what a file may hold (kTimes) was never of a run: it is left out.
void shift(KernelEvents& events, int64_t by_ns);

/// Writes "<stem of the record>.kernels.json" into `folder` and refers to it in the record, which must not be sealed
/// yet. Does nothing without events.
void store_kernel_events(const std::filesystem::path& folder, RunRecord& record, const KernelEvents& events);

/// The events that the record in `record_file` refers to; nothing when it has none or the file is gone.
std::optional<KernelEvents> load_kernel_events(const std::filesystem::path& record_file, const RunRecord& record);

}  // namespace wan
