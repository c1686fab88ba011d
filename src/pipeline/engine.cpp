#include "pipeline/engine.h"

#include <atomic>

#include "base/clock.h"
#include "base/error.h"
#include "pipeline/generation.h"

namespace wan {
namespace {

// The one piece of shared state: a signal handler has nothing else to reach the engine by.
std::atomic<bool> interrupt_requested{false};

}  // namespace

void request_interrupt() noexcept { interrupt_requested.store(true, std::memory_order_relaxed); }

void StageContext::check_stop() const {
  if (interrupt_requested.load(std::memory_order_relaxed))
    throw Error(ErrorKind::kInterrupted, "interrupted; nothing was left behind");
}

Engine::Engine() = default;
Engine::~Engine() = default;

Outcome Engine::generate(const Request& request, Observer& observer, int64_t start_ns) {
  try {
    Generation generation(request, observer, models_, start_ns > 0 ? start_ns : monotonic_ns());
    return generation.run();
  } catch (...) {
    models_.reset();  // a pass over the weights may have been left half-way
    throw;
  }
}

Outcome generate(const Request& request, Observer& observer, int64_t start_ns) {
  Engine engine;
  return engine.generate(request, observer, start_ns);
}

}  // namespace wan
