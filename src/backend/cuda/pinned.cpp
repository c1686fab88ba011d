#include "backend/cuda/pinned.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "backend/cuda/context.h"
#include "base/error.h"
#include "base/machine.h"

namespace wan::cuda {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t rounded(size_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

/// `bytes` of anonymous memory that begin on a huge page's boundary; nullptr where there is none.
void* map_aligned(size_t bytes) {
  void* const raw =
      mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(raw);
  const size_t before = rounded(reinterpret_cast<size_t>(raw)) - reinterpret_cast<size_t>(raw);
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, kHugePage - before);
  return begin + before;
}

}  // namespace

PinnedBlock::PinnedBlock(size_t bytes, const char* what) : bytes_(rounded(bytes)) {
  data_ = map_aligned(bytes_);
  const auto refuse = [&] {
    if (data_ != nullptr) munmap(data_, bytes_);
    throw OutOfMemory(fmt::format("{} (page-locked host memory)", what), bytes, available_host_bytes(),
                      "--offload mapped reads weights from the file instead");
  };
  if (data_ == nullptr) refuse();
  madvise(data_, bytes_, MADV_HUGEPAGE);  // a wish: without huge pages all below works in small ones
  if (madvise(data_, bytes_, MADV_POPULATE_WRITE) != 0 && errno == ENOMEM) refuse();
  const cudaError_t status = cudaHostRegister(data_, bytes_, cudaHostRegisterDefault);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    refuse();
  }
  if (status != cudaSuccess) munmap(data_, bytes_);
  check(status);
}

PinnedBlock::~PinnedBlock() {
  cudaHostUnregister(data_);
  munmap(data_, bytes_);
}

}  // namespace wan::cuda
