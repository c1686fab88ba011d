// What every CUDA launcher needs: the device, the streams, error checks and scratch memory. Passed explicitly, never
// global.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <utility>

#include "backend/memory_ledger.h"

namespace wan::cuda {

/// Throws Error naming the call site, or OutOfMemory for cudaErrorMemoryAllocation; clears the sticky-less last error
/// first.
void check(cudaError_t status, std::source_location where = std::source_location::current());

/// Device memory from cudaMalloc, aligned to 1024 bytes.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  /// At least `bytes`, counted in `ledger`, which may be nullptr. Throws OutOfMemory naming `what`, and the limit where
  /// the ledger refuses.
  DeviceMemory(size_t bytes, const char* what, std::shared_ptr<MemoryLedger> ledger);
  ~DeviceMemory() { release(); }
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;
  void* data() const { return data_; }

 private:
  void release() noexcept;

  void* base_ = nullptr;  // as cudaFree wants it
  void* data_ = nullptr;
  size_t bytes_ = 0;
  std::shared_ptr<MemoryLedger> ledger_;
};

/// A device buffer that only grows; shared by the operations of one queue, whose order makes the sharing safe.
class Scratch {
 public:
  Scratch(const char* what, std::shared_ptr<MemoryLedger> ledger) : what_(what), ledger_(std::move(ledger)) {}
  /// At least `bytes` of device memory, 1024-byte aligned. Growing waits for the device; steady state allocates
  /// nothing.
  void* reserve(size_t bytes);
  size_t bytes() const { return bytes_; }

 private:
  const char* what_;
  std::shared_ptr<MemoryLedger> ledger_;
  DeviceMemory block_;
  size_t bytes_ = 0;
};

struct Context {
  int ordinal = 0;
  int capability = 0;  // 10 * major + minor: 90 for Hopper
  int multiprocessors = 0;
  cudaStream_t compute = nullptr;
  cudaStream_t copy = nullptr;
  cudaStream_t fill = nullptr;
  std::shared_ptr<MemoryLedger> ledger = std::make_shared<MemoryLedger>();  // all device memory of the backend
  Scratch scratch{"operation scratch", ledger};                             // for one operation's temporaries
  Scratch workspace{"library workspace",
                    ledger};  // for cuBLASLt and cuDNN; may be passed to a library call in the same op as `scratch`
};

}  // namespace wan::cuda
