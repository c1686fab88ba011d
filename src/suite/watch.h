// Starts one process, watches it to its end and keeps all that was seen: what it said over the pipe, its last words on
// stderr, and the readings of the sampler. Ends its whole group on a time limit or an interrupt.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/subprocess.h"
#include "measure/sampler.h"
#include "suite/bounded_lines.h"
#include "suite/protocol.h"
#include "suite/signal_watch.h"

namespace wan::suite {

/// Told of everything as it happens, from the watching loop.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_message(const Message& message) = 0;
  /// A line of stdout or stderr; carriage returns end lines too.
  virtual void on_output(const std::string& line, int64_t at_ns) = 0;
  /// After each sample.
  virtual void on_tick(const measure::Samples& samples) = 0;
  /// A signal asked for an end, and the process was told so.
  virtual void on_interrupt() {}
};

struct WatchOptions {
  SpawnOptions spawn;
  /// Option by which the program is told the instant at which the total begins, the last before it is started; empty:
  /// it is not told.
  std::string start_option;
  Seconds timeout{0};  // 0: none
  Seconds grace{5};    // from the polite end of the group to its kill
  SignalWatch* signals = nullptr;
  measure::CounterRung counters = measure::kTimedRung;  // read from here down; kCupti: by the process itself
  PipeLimits pipe;                                      // what is taken of what it says
  size_t most_videos = 1;                               // that it may make
};

/// What was said of one video. A cold process makes one, a warm one several.
struct VideoLog {
  std::optional<NextVideo> next;  // how it began; empty for the first
  std::optional<Decided> decided;
  std::vector<Begin> begins;
  std::vector<StageSpan> spans;
  std::vector<Range> ranges;
  std::vector<Memory> memory;
  std::optional<ClockTied> clock;
  std::string shim_clock;                       // of the Python shim's spans: cuda_event or host; empty: no shim spoke
  std::map<std::string, std::string> versions;  // of the libraries that an external program says it uses
  std::map<std::string, std::string> facts;     // for people
  std::optional<Kernels> kernels;
  std::optional<Finished> finished;
};

enum class StopCause { kNone, kTimeout, kInterrupt };

struct Watched {
  measure::Interval total;  // just before exec to the exit as seen from outside
  ExitState exit;
  StopCause stop = StopCause::kNone;
  int stop_signal = 0;                                      // the signal that interrupted
  bool second_signal = false;                               // asked twice: end everything at once
  std::vector<VideoLog> videos = std::vector<VideoLog>(1);  // never empty
  std::optional<FidelityRecord> fidelity;                   // of the first video
  std::optional<Failure> failure;
  std::string stderr_tail;
  std::string broken_line;  // why a line of the pipe could not be read; empty: all could
  std::string left_out;     // of the pipe, beyond what is taken; empty: nothing
  measure::Samples samples;
};

/// Throws Error(kUsage) when the program cannot be started. `gpu` may be nullptr, then `gpu_reason` says why.
Watched watch(const WatchOptions& options, measure::Gpu* gpu, const std::string& gpu_reason, Listener& listener);

}  // namespace wan::suite
