// What an allocator has given out: now, and at most since it was last asked.
#pragma once

#include <cstdint>
#include <mutex>

namespace wan {

/// Bytes of one kind of memory. Thread-safe.
class MemoryLedger {
 public:
  void take(uint64_t bytes);
  void give_back(uint64_t bytes);
  uint64_t now() const;
  /// The most since the last call, what is held now included.
  uint64_t peak_since_last();

 private:
  mutable std::mutex mutex_;
  uint64_t now_ = 0, peak_ = 0;
};

}  // namespace wan
