// Loops shared among threads. Every index is computed alone, so results do not depend on how indices are shared out.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

namespace wan::cpu {

/// Calls body(index, thread) for 0 <= index < count; `thread` < `threads` names the caller's scratch. `elements` is
/// about how many each index handles: little work is not worth waking other threads. `body` must not throw: arguments
/// are checked before.
template <typename Body>
void parallel_for(int threads, int64_t count, int64_t elements, Body body) {
  constexpr int64_t kWorthAThread = 8192;  // elements; a few microseconds, as much as a thread takes to join in
  const int64_t useful = std::min(count, count * elements / kWorthAThread);
  const int team = static_cast<int>(std::clamp<int64_t>(useful, 1, threads));
#pragma omp parallel for num_threads(team) schedule(static)
  for (int64_t index = 0; index < count; ++index) body(index, omp_get_thread_num());
}

inline constexpr int64_t kChunk = 2048;  // floats: 8 KiB of stack for each operand

/// Calls body(begin, count) for chunks of at most kChunk that together cover [0, total).
template <typename Body>
void parallel_chunks(int threads, int64_t total, Body body) {
  const int64_t chunks = (total + kChunk - 1) / kChunk;
  parallel_for(threads, chunks, kChunk, [&](int64_t chunk, int) {
    const int64_t begin = chunk * kChunk;
    body(begin, std::min(kChunk, total - begin));
  });
}

/// Sets the thread count that oneDNN takes from OpenMP, for one scope.
class OmpThreads {
 public:
  explicit OmpThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~OmpThreads() { omp_set_num_threads(before_); }
  OmpThreads(const OmpThreads&) = delete;
  OmpThreads& operator=(const OmpThreads&) = delete;

 private:
  int before_;
};

}  // namespace wan::cpu
