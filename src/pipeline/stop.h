// Asking a running request to stop, from any thread or from a signal handler.
#pragma once

#include <atomic>

namespace wan {

/// One flag, for the requests it is given to; it must outlive them. A request looks at it between stages, denoising
/// steps and decoded pieces, and ends with Error(kInterrupted). The flag stays set until `clear`.
class StopSource {
 public:
  /// May be called from a signal handler.
  void request_stop() noexcept { requested_.store(true, std::memory_order_relaxed); }
  /// For another request by the same source.
  void clear() noexcept { requested_.store(false, std::memory_order_relaxed); }
  bool stop_requested() const noexcept { return requested_.load(std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not wait for a lock");
  std::atomic<bool> requested_{false};
};

}  // namespace wan
