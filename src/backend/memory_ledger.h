// What an allocator has given out: now, and at most since it was last asked; and what the driver makes of it.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "base/memory_size.h"

namespace wan {

/// What the driver attributes to a process on a card beside its allocations: the CUDA context, loaded code and what
/// cuBLASLt and cuDNN keep. NVIDIA H100 80GB HBM3 and H200, driver 580: 0.49 to 0.55 GiB in the published records, less
/// what the ledger did not count when they were made.
inline constexpr uint64_t kContextBytes = uint64_t{560} << 20;

/// The driver gives large allocations out in pieces of this size.
inline constexpr uint64_t kDriverPiece = uint64_t{2} << 20;

/// What the driver takes of a card for an allocation of `bytes`: it gives large ones whole pieces of 2 MiB, and lets
/// small ones share a piece. The 80 layers of a resident A14B so take 0.13 GiB more than they hold.
constexpr uint64_t driver_bytes(uint64_t bytes) {
  return bytes < kDriverPiece / 2 ? bytes : (bytes + kDriverPiece - 1) / kDriverPiece * kDriverPiece;
}

/// Bytes of one kind of memory. Thread-safe.
class MemoryLedger {
 public:
  /// `limit`: --gpu-memory-limit of the process; none: as much as there is.
  explicit MemoryLedger(std::optional<MemorySize> limit = {}) : limit_(limit) {}

  /// Before an allocation. Throws OutOfMemory, which names `what` and the limit, and takes nothing where all that was
  /// taken would come above the limit by the driver's count, kContextBytes included.
  void take(uint64_t bytes, const char* what);
  void give_back(uint64_t bytes);
  uint64_t now() const;
  /// The most since the last call, what is held now included.
  uint64_t peak_since_last();

 private:
  const std::optional<MemorySize> limit_;
  mutable std::mutex mutex_;
  uint64_t now_ = 0, peak_ = 0;
  uint64_t driver_now_ = 0;  // as driver_bytes counts
};

}  // namespace wan
