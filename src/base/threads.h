// Splitting work among threads when the results must not depend on who did what.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace wan {

/// Threads worth having for work that memory or a file bounds: one for each allowed core, at most 16.
int worker_threads();

/// Calls body(begin, end) for ranges of at most `chunk` that together cover [0, count), from worker_threads() threads
/// at most; alone on the calling thread when one range suffices. Rethrows the first exception; ranges not yet begun are
/// then left out.
void for_chunks(int64_t count, int64_t chunk, const std::function<void(int64_t begin, int64_t end)>& body);

/// Calls produce(index, buffer) for 0 <= index < count from `threads` threads, in any order, and
/// consume(index, buffer) from the calling thread, in order. A few buffers more than threads exist at once; `produce`
/// finds one in any state. Rethrows the first exception of either.
void produce_in_order(int64_t count, int threads,
                      const std::function<void(int64_t index, std::vector<std::byte>& out)>& produce,
                      const std::function<void(int64_t index, std::span<const std::byte> bytes)>& consume);

/// Runs each task on a thread of its own and waits for all. Rethrows the first exception; a task that can end early
/// asks `failed`, which turns true once another has thrown.
void run_together(const std::vector<std::function<void(const std::atomic<bool>& failed)>>& tasks);

}  // namespace wan
