// Page-locked host memory, in huge pages where the kernel gives them.
#pragma once

#include <cstddef>

namespace wan::cuda {

// cudaMallocHost takes its 4 KiB pages one by one on the calling thread, for 10 GB some seconds, and as long again to
// give them back. Here taking the pages and locking them are apart: whoever writes a page first takes it, many threads
// side by side, 2 MiB at a time where the kernel can; the driver then locks what is there already.

/// Zeroed host memory on a huge page's boundary, its pages not taken yet. Throws OutOfMemory naming `what`.
void* map_host(size_t bytes, const char* what);
/// Locks memory of `map_host`, so that the device reads and writes it by itself. Throws OutOfMemory naming `what`.
void lock_host(void* data, size_t bytes, const char* what);
/// Gives back what `map_host` gave, locked or not.
void unmap_host(void* data, size_t bytes) noexcept;

}  // namespace wan::cuda
