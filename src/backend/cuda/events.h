// Events of the two queues, recycled so that recording allocates nothing, and their times on the host's clock.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "backend/backend.h"

namespace wan::cuda {

/// Thread-safe. Events may outlive this object.
class Events {
 public:
  Events();
  ~Events();
  /// Records on `stream`; the device must be current.
  Event record(cudaStream_t stream);
  /// When a completed event happened, in nanoseconds of CLOCK_MONOTONIC. The device's clock is tied to the host's once,
  /// at the first call of `anchor`; from there on device time is followed in steps short enough for
  /// cudaEventElapsedTime's float milliseconds. Differences are exact to about 0.1 us a second; the tie itself to a few
  /// microseconds.
  int64_t time_ns(const Event& event);
  /// Ties the clocks on an idle stream. Waits for it.
  void anchor(cudaStream_t stream);

  static bool ready(const Event& event);
  static cudaEvent_t handle(const Event& event);

 private:
  struct Pool;
  std::shared_ptr<Pool> pool_;
  std::mutex mutex_;
  Event anchor_;
  int64_t anchor_ns_ = 0;
};

}  // namespace wan::cuda
