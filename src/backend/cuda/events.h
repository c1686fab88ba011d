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
  /// When a completed event happened, in nanoseconds of CLOCK_MONOTONIC, by the last tie of the clocks. Differences are
  /// exact to about 0.1 us a second; the tie itself to a few microseconds.
  int64_t time_ns(const Event& event);
  /// Ties the clocks on an idle stream. Waits for it.
  void anchor(cudaStream_t stream);
  /// Ties them anew, and says what they came apart by since the last tie. Waits for the stream.
  ClockDrift retie(cudaStream_t stream);

  static bool ready(const Event& event);
  static cudaEvent_t handle(const Event& event);

 private:
  struct Pool;
  struct Tied {
    Event event;
    ClockTie tie;
  };
  Tied observe(cudaStream_t stream);
  static float elapsed_ms(const Event& from, const Event& to);

  std::shared_ptr<Pool> pool_;
  std::mutex mutex_;
  Event reference_;
  DeviceClock clock_;
};

}  // namespace wan::cuda
