#include "backend/cuda/pinned.h"

#include <sys/mman.h>

#include <algorithm>

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "backend/cuda/context.h"
#include "base/error.h"
#include "base/machine.h"

namespace wan::cuda {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t rounded(size_t bytes) { return (std::max<size_t>(bytes, 1) + kHugePage - 1) / kHugePage * kHugePage; }

[[noreturn]] void refuse(size_t bytes, const char* what) {
  throw OutOfMemory(fmt::format("{} (page-locked host memory)", what), bytes, available_host_bytes());
}

}  // namespace

void* map_host(size_t bytes, const char* what) {
  const size_t kept = rounded(bytes);
  void* const raw =
      mmap(nullptr, kept + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) refuse(bytes, what);
  const auto address = reinterpret_cast<size_t>(raw);
  const size_t before = (address + kHugePage - 1) / kHugePage * kHugePage - address;
  auto* const data = static_cast<std::byte*>(raw) + before;
  if (before > 0) munmap(raw, before);
  munmap(data + kept, kHugePage - before);
  madvise(data, kept, MADV_HUGEPAGE);  // a wish: without huge pages all works in small ones
  return data;
}

void lock_host(void* data, size_t bytes, const char* what) {
  const cudaError_t status = cudaHostRegister(data, rounded(bytes), cudaHostRegisterDefault);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    refuse(bytes, what);
  }
  check(status);
}

void unmap_host(void* data, size_t bytes) noexcept {
  if (cudaHostUnregister(data) != cudaSuccess) cudaGetLastError();  // it was not locked
  munmap(data, rounded(bytes));
}

}  // namespace wan::cuda
