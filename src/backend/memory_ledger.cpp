#include "backend/memory_ledger.h"

#include <algorithm>
#include <utility>

namespace wan {

void MemoryLedger::take(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  now_ += bytes;
  peak_ = std::max(peak_, now_);
}

void MemoryLedger::give_back(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  now_ -= bytes;
}

uint64_t MemoryLedger::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

uint64_t MemoryLedger::peak_since_last() {
  const std::lock_guard lock(mutex_);
  return std::exchange(peak_, now_);
}

}  // namespace wan
