#include "backend/cuda/events.h"

#include <cmath>
#include <limits>

#include "backend/cuda/context.h"
#include "base/clock.h"
#include "base/error.h"

namespace wan::cuda {

struct Events::Pool {
  ~Pool() {
    for (cudaEvent_t event : free) cudaEventDestroy(event);
  }
  cudaEvent_t take() {
    {
      const std::lock_guard lock(mutex);
      if (!free.empty()) {
        const cudaEvent_t event = free.back();
        free.pop_back();
        return event;
      }
    }
    cudaEvent_t event = nullptr;
    // Blocking: a host thread that waits for a step leaves its core to the one that encodes the video.
    check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync));
    return event;
  }
  void give(cudaEvent_t event) {
    const std::lock_guard lock(mutex);
    free.push_back(event);
  }

  std::mutex mutex;
  std::vector<cudaEvent_t> free;
};

Events::Events() : pool_(std::make_shared<Pool>()) {}
Events::~Events() = default;

cudaEvent_t Events::handle(const Event& event) {
  require_op(event.valid(), "the event was never recorded");
  return static_cast<cudaEvent_t>(event.handle.get());
}

Event Events::record(cudaStream_t stream) {
  const cudaEvent_t event = pool_->take();
  Event result{
      std::shared_ptr<void>(event, [pool = pool_](void* handle) { pool->give(static_cast<cudaEvent_t>(handle)); })};
  check(cudaEventRecord(event, stream));
  return result;
}

bool Events::ready(const Event& event) {
  const cudaError_t status = cudaEventQuery(handle(event));
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // else the next launch's check would report it
    return false;
  }
  check(status);
  return true;
}

void Events::anchor(cudaStream_t stream) {
  constexpr int kTries = 8;
  int64_t narrowest = std::numeric_limits<int64_t>::max();
  check(cudaStreamSynchronize(stream));
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < kTries; ++i) {
    const int64_t before = monotonic_ns();
    Event event = record(stream);
    // Spin: a blocking wait would wake up late and blur the bracket.
    while (!ready(event)) {
    }
    const int64_t after = monotonic_ns();
    if (after - before >= narrowest) continue;
    narrowest = after - before;
    anchor_ = std::move(event);
    anchor_ns_ = before + narrowest / 2;
  }
}

int64_t Events::time_ns(const Event& event) {
  constexpr float kStepMs = 500;  // float milliseconds resolve 30 ns here
  const std::lock_guard lock(mutex_);
  require_op(anchor_.valid(), "the clocks are not tied yet");
  float elapsed_ms = 0;
  check(cudaEventElapsedTime(&elapsed_ms, handle(anchor_), handle(event)));
  const int64_t at = anchor_ns_ + std::llround(static_cast<double>(elapsed_ms) * 1e6);
  if (elapsed_ms > kStepMs) {
    anchor_ = event;
    anchor_ns_ = at;
  }
  return at;
}

}  // namespace wan::cuda
