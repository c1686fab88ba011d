// Error checks and scratch memory of the CUDA backend.
#include "backend/cuda/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "tensor/tensor.h"

namespace wan::cuda {
namespace {

uint64_t free_device_bytes() {
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return 0;
  return free;
}

/// Bytes of a ledger, which may be nullptr, that go back unless their allocation is kept.
class Taken {
 public:
  Taken(MemoryLedger* ledger, size_t bytes, const char* what) : ledger_(ledger), bytes_(bytes) {
    if (ledger_ != nullptr) ledger_->take(bytes_, what);
  }
  ~Taken() {
    if (ledger_ != nullptr) ledger_->give_back(bytes_);
  }
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  void keep() { ledger_ = nullptr; }

 private:
  MemoryLedger* ledger_;
  size_t bytes_;
};

}  // namespace

void check(cudaError_t status, std::source_location where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory(where.function_name(), 0, free_device_bytes());
  throw Error(fmt::format("CUDA reports {} ({}) in {} ({}:{})", cudaGetErrorString(status), cudaGetErrorName(status),
                          where.function_name(), where.file_name(), where.line()));
}

DeviceMemory::DeviceMemory(size_t bytes, const char* what, std::shared_ptr<MemoryLedger> ledger) {
  // cudaMalloc promises 256-byte alignment and gives 512 to small blocks, so one that falls short is asked for again
  // with room to align it.
  for (const size_t slack : {size_t{0}, Arena::kAlignment}) {
    const size_t asked = std::max<size_t>(bytes, 1) + slack;
    Taken taken(ledger.get(), asked, what);
    const cudaError_t status = cudaMalloc(&base_, asked);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw OutOfMemory(what, bytes + slack, free_device_bytes());
    }
    check(status);
    const uintptr_t address = (reinterpret_cast<uintptr_t>(base_) + slack) / Arena::kAlignment * Arena::kAlignment;
    if (address >= reinterpret_cast<uintptr_t>(base_)) {
      data_ = reinterpret_cast<void*>(address);
      bytes_ = asked;
      taken.keep();
      ledger_ = std::move(ledger);
      return;
    }
    check(cudaFree(base_));
  }
  throw Error("unreachable: an aligned address exists within the slack");
}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  if (this == &other) return *this;
  release();
  base_ = std::exchange(other.base_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  ledger_ = std::move(other.ledger_);
  return *this;
}

void DeviceMemory::release() noexcept {
  if (base_ == nullptr) return;
  cudaFree(base_);  // an error has nowhere to go here; the next check reports it
  if (ledger_) ledger_->give_back(bytes_);
  base_ = data_ = nullptr;
}

void* Scratch::reserve(size_t bytes) {
  if (bytes <= bytes_) return block_.data();
  check(cudaDeviceSynchronize());
  block_ = {};
  bytes_ = 0;
  block_ = DeviceMemory(bytes, what_, ledger_);
  bytes_ = bytes;
  return block_.data();
}

}  // namespace wan::cuda
