#include "base/threads.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "base/machine.h"

namespace wan {
namespace {

constexpr int kMaxThreads = 16;
constexpr int64_t kSpareBuffers = 2;  // of produce_in_order: filled ahead of a consumer that is slower for a while

/// Results on their way from many producers to one consumer.
class OrderedQueue {
 public:
  OrderedQueue(int64_t count, int64_t window, const std::function<void(int64_t, std::vector<std::byte>&)>& produce)
      : count_(count), slots_(static_cast<size_t>(window)), produce_(produce) {}

  void run_producer() {
    try {
      for (int64_t index = claim(); index < count_; index = claim()) {
        Slot& slot = slots_[static_cast<size_t>(index) % slots_.size()];
        produce_(index, slot.bytes);
        const std::lock_guard lock(mutex_);
        slot.filled = true;
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stop_ = true;
      changed_.notify_all();
    }
  }

  /// Waits for result `index`. Rethrows what a producer threw.
  std::span<const std::byte> wait_for(int64_t index) {
    const Slot& slot = slots_[static_cast<size_t>(index) % slots_.size()];
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return slot.filled || failure_; });
    if (failure_) std::rethrow_exception(failure_);
    return slot.bytes;
  }
  void give_back(int64_t index) {
    const std::lock_guard lock(mutex_);
    slots_[static_cast<size_t>(index) % slots_.size()].filled = false;
    consumed_ = index + 1;
    changed_.notify_all();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }

 private:
  struct Slot {
    std::vector<std::byte> bytes;
    bool filled = false;
  };

  /// The next index, once its slot is free; `count_` when there is nothing more to do.
  int64_t claim() {
    std::unique_lock lock(mutex_);
    if (next_ == count_) return count_;
    const int64_t index = next_++;
    changed_.wait(lock, [&] { return stop_ || index < consumed_ + static_cast<int64_t>(slots_.size()); });
    return stop_ ? count_ : index;
  }

  const int64_t count_;
  std::vector<Slot> slots_;
  const std::function<void(int64_t, std::vector<std::byte>&)>& produce_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t next_ = 0, consumed_ = 0;
  bool stop_ = false;
  std::exception_ptr failure_;
};

}  // namespace

int worker_threads() { return std::min(kMaxThreads, allowed_cores()); }

void for_chunks(int64_t count, int64_t chunk, const std::function<void(int64_t begin, int64_t end)>& body) {
  const int64_t chunks = (count + chunk - 1) / chunk;
  std::atomic<int64_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (int64_t i = next++; i < chunks; i = next++) body(i * chunk, std::min(count, (i + 1) * chunk));
    } catch (...) {
      next = chunks;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (int64_t i = 1; i < std::min<int64_t>(chunks, worker_threads()); ++i) others.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

void produce_in_order(int64_t count, int threads,
                      const std::function<void(int64_t index, std::vector<std::byte>& out)>& produce,
                      const std::function<void(int64_t index, std::span<const std::byte> bytes)>& consume) {
  const int64_t useful = std::min<int64_t>(count, threads);
  OrderedQueue queue(count, useful + kSpareBuffers, produce);
  std::vector<std::jthread> producers;  // joined before the queue goes
  try {
    for (int64_t i = 0; i < useful; ++i) producers.emplace_back([&queue] { queue.run_producer(); });
    for (int64_t i = 0; i < count; ++i) {
      consume(i, queue.wait_for(i));
      queue.give_back(i);
    }
  } catch (...) {
    queue.stop();
    throw;
  }
}

void run_together(const std::vector<std::function<void(const std::atomic<bool>& failed)>>& tasks) {
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr failure;
  {
    std::vector<std::jthread> threads;
    for (const auto& task : tasks)
      threads.emplace_back([&] {
        try {
          task(failed);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = std::current_exception();
          failed = true;
        }
      });
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace wan
