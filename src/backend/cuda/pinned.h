// Page-locked host memory, in huge pages where the kernel gives them.
#pragma once

#include <cstddef>

namespace wan::cuda {

/// Zeroed host memory the device reads and writes by itself. cudaMallocHost takes its 4 KiB pages one by one under the
/// driver's lock, for 10 GB some seconds, and as long again to give them back. Here the calling thread takes the pages,
/// 2 MiB at a time where it can, and the driver only locks them, so that several threads allocate side by side.
class PinnedBlock {
 public:
  /// Throws OutOfMemory naming `what`.
  PinnedBlock(size_t bytes, const char* what);
  ~PinnedBlock();
  PinnedBlock(const PinnedBlock&) = delete;
  PinnedBlock& operator=(const PinnedBlock&) = delete;

  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace wan::cuda
