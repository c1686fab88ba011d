// What the process that runs a case tells the one that watches it: one JSON object a line over a pipe, written as soon
// as it is known, so that a killed process loses nothing already said. Stages travel with their role and their
// published name; of a program that is not ours the name alone says which they are.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/stage.h"
#include "measure/counter_clock.h"
#include "measure/proc.h"
#include "results/kernel_events.h"
#include "results/record.h"

namespace wan::suite {

/// Changes when a line of one side can no longer be read by the other.
inline constexpr int kProtocolVersion = 3;  // 2: kernels one by one; 3: what the engine decided, its clock

struct Hello {
  int protocol = kProtocolVersion;
};

/// A leaf stage has begun. `own` is the process's own reading at that instant, for exact host values at any length; of
/// a program that is not ours it has the time alone.
struct Begin {
  StageId stage;
  int steps = 0;
  measure::TreeReading own;
};

/// A closed range of a program that is not ours, as the injected library says it (src/inject). An instant has no
/// length.
struct Range {
  std::string name;
  int64_t thread = 0;  // of the whole machine
  int depth = 0;       // ranges of the thread that were open around it
  int64_t begin_ns = 0, end_ns = 0;
};

/// What the engine's allocator held at most over a stage, in bytes, by component.
struct Memory {
  StageId stage;
  std::map<std::string, uint64_t> device_bytes, host_bytes;
  std::optional<uint64_t> device_peak_bytes{};  // as MemoryMark's
};

/// Hardware counters that the process reads by itself: what they are, or why it reads none (any more).
struct CounterState {
  std::string names;
  std::string reason;
};

/// The watching process is to read nothing until told so again: to find out what reading costs.
struct Monitor {
  bool on = true;
};

struct Counters {
  measure::CounterBatch batch;
};

/// What the engine decided for this video, before its work.
struct Decided {
  Execution execution;
  uint64_t predicted_peak_bytes = 0;  // on the device
};

/// How far the device's clock was from the host's at the video's end.
struct ClockTied {
  int64_t residual_ns = 0, uncertainty_ns = 0;
};

/// A remark for people. Of the keys, "version.NAME" names a library and "shim_clock" the clock of the Python shim's
/// spans; nothing reads the others back.
struct Fact {
  std::string key, value;
};

/// Another video of the same process begins; all that follows is about it. Not sent before the first.
struct NextVideo {
  int index = 0;
  measure::TreeReading own;
};

/// The kernels of the video that is complete, from a process that was asked to watch them.
struct Kernels {
  KernelTrace trace;
  KernelEvents events;  // by CLOCK_MONOTONIC
};

/// How far the process's first video is from its reference.
struct Fidelity {
  FidelityRecord found;
};

/// The video is complete. `own` closes the last stage's readings.
struct Finished {
  std::string task;
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  int steps = 0;
  std::string video_sha256;
  measure::TreeReading own;
  std::optional<ForwardCounts> forwards{};  // of our own engine
};

/// The run ended with an error it could still report. Kinds: usage, input, runtime, out_of_memory, interrupted.
struct Failure {
  std::string kind;
  std::string message;
  std::string what_for, advice;                         // out_of_memory
  std::optional<uint64_t> requested_bytes, free_bytes;  // out_of_memory
};

using Message = std::variant<Hello, NextVideo, Decided, Begin, StageSpan, Range, Memory, ClockTied, Fact, Kernels,
                             Fidelity, Finished, Failure, CounterState, Counters, Monitor>;

/// One line, without line feed. Bytes that are not UTF-8 are replaced.
std::string encode(const Message& message);

/// Throws Error(kInput) for a line that is not one of the messages above, showing its beginning.
Message decode(std::string_view line);

}  // namespace wan::suite
