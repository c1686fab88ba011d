// A video while it is made: what its worker said so far. Lives in memory alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "serve/worker_protocol.h"

namespace wan::serve {

struct StageTime {
  std::string name;
  double seconds = 0;
};

class LiveVideo {
 public:
  /// Whether something changed that is shown.
  bool take(const WorkerMessage& message);
  /// Counts those changes.
  uint64_t version() const { return version_; }

  const std::string& stage() const { return stage_; }               // the one that runs; empty: none has begun
  std::optional<int> step() const { return step_; }                 // from 1; nothing before the first
  int steps() const { return steps_; }                              // of the schedule; 0: not known yet
  const std::vector<StageTime>& stages() const { return stages_; }  // those that are over, steps together
  const std::vector<double>& step_seconds() const { return step_seconds_; }
  const std::optional<ExpectedVideo>& expected() const { return expected_; }
  std::optional<int> preview_step() const { return preview_step_; }  // from 1: of the picture that is there
  /// 0 to 99: of the steps; the decoder is the rest.
  int progress() const;

  /// From the first word about the video to its end, by the worker's clock; nothing before both.
  std::optional<double> service_s() const;
  std::optional<uint64_t> peak_device_bytes() const { return peak_device_bytes_; }
  std::optional<uint64_t> peak_host_bytes() const { return peak_host_bytes_; }
  const std::string& device() const { return device_; }
  const std::string& residency() const { return residency_; }

 private:
  bool take_said(const suite::Message& message);
  void add_span(const StageSpan& span);
  uint64_t version_ = 0;
  std::string stage_;
  std::optional<int> step_, preview_step_;
  int steps_ = 0;
  std::vector<StageTime> stages_;
  std::vector<double> step_seconds_;
  std::optional<ExpectedVideo> expected_;
  std::optional<int64_t> begin_ns_, end_ns_;
  std::optional<uint64_t> peak_device_bytes_, peak_host_bytes_;
  std::string device_, residency_;
};

}  // namespace wan::serve
