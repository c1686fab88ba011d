#include "backend/memory_ledger.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/flags.h"

namespace wan {

void MemoryLedger::take(uint64_t bytes, const char* what) {
  const std::lock_guard lock(mutex_);
  if (limit_) {
    const uint64_t most = limit_->bytes - std::min(limit_->bytes, kContextBytes);
    const uint64_t room = most - std::min(most, driver_now_);
    if (driver_bytes(bytes) > room)
      throw OutOfMemory(fmt::format("{}, within {} {} ({} MiB of it are the driver's and the libraries')", what,
                                    flags::kGpuMemoryLimit, limit_->text(), kContextBytes >> 20),
                        bytes, room);
  }
  now_ += bytes;
  driver_now_ += driver_bytes(bytes);
  peak_ = std::max(peak_, now_);
}

void MemoryLedger::give_back(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  now_ -= bytes;
  driver_now_ -= driver_bytes(bytes);
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
