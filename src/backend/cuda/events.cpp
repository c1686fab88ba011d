#include "backend/cuda/events.h"

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

/// One event seen from both sides, as narrowly as a few tries give.
Events::Tied Events::observe(cudaStream_t stream) {
  constexpr int kTries = 8;
  Tied best{{}, {0, std::numeric_limits<int64_t>::max()}};
  check(cudaStreamSynchronize(stream));
  for (int i = 0; i < kTries; ++i) {
    const int64_t before = monotonic_ns();
    Event event = record(stream);
    // Spin: a blocking wait would wake up late and blur the bracket.
    while (!ready(event)) {
    }
    const ClockTie tie = tie_between(before, monotonic_ns());
    if (tie.uncertainty_ns < best.tie.uncertainty_ns) best = {std::move(event), tie};
  }
  return best;
}

float Events::elapsed_ms(const Event& from, const Event& to) {
  float elapsed = 0;
  check(cudaEventElapsedTime(&elapsed, handle(from), handle(to)));
  return elapsed;
}

void Events::anchor(cudaStream_t stream) {
  Tied tied = observe(stream);
  const std::lock_guard lock(mutex_);
  reference_ = std::move(tied.event);
  clock_.start(tied.tie);
}

ClockDrift Events::retie(cudaStream_t stream) {
  Tied tied = observe(stream);
  const std::lock_guard lock(mutex_);
  require_op(reference_.valid(), "the clocks are not tied yet");
  const ClockDrift drift = clock_.drift(elapsed_ms(reference_, tied.event), tied.tie);
  reference_ = std::move(tied.event);
  clock_.start(tied.tie);
  return drift;
}

int64_t Events::time_ns(const Event& event) {
  const std::lock_guard lock(mutex_);
  require_op(reference_.valid(), "the clocks are not tied yet");
  const float elapsed = elapsed_ms(reference_, event);
  const int64_t at = clock_.at(elapsed);
  if (DeviceClock::is_far(elapsed)) {
    clock_.move(elapsed);
    reference_ = event;
  }
  return at;
}

}  // namespace wan::cuda
