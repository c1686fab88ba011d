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

}  // namespace

void check(cudaError_t status, std::source_location where) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  if (status == cudaErrorMemoryAllocation) throw OutOfMemory(where.function_name(), 0, free_device_bytes());
  throw Error(fmt::format("CUDA reports {} ({}) in {} ({}:{})", cudaGetErrorString(status), cudaGetErrorName(status),
                          where.function_name(), where.file_name(), where.line()));
}

DeviceBlock allocate_device(size_t bytes, const char* what) {
  // cudaMalloc promises 256-byte alignment and gives 512 to small blocks, so one that falls short is asked for again
  // with room to align it.
  for (const size_t slack : {size_t{0}, Arena::kAlignment}) {
    void* base = nullptr;
    const cudaError_t status = cudaMalloc(&base, std::max<size_t>(bytes, 1) + slack);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw OutOfMemory(what, bytes + slack, free_device_bytes());
    }
    check(status);
    const uintptr_t address = (reinterpret_cast<uintptr_t>(base) + slack) / Arena::kAlignment * Arena::kAlignment;
    if (address >= reinterpret_cast<uintptr_t>(base)) return {base, reinterpret_cast<void*>(address)};
    check(cudaFree(base));
  }
  throw Error("unreachable: an aligned address exists within the slack");
}

Scratch::~Scratch() { cudaFree(block_.base); }

void* Scratch::reserve(size_t bytes) {
  if (bytes <= bytes_) return block_.data;
  check(cudaDeviceSynchronize());
  check(cudaFree(block_.base));
  block_ = {};
  bytes_ = 0;
  block_ = allocate_device(bytes, what_);
  bytes_ = bytes;
  return block_.data;
}

}  // namespace wan::cuda
