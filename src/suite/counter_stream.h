// Sends the card's hardware counters down the pipe while an engine runs in this process.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "suite/pipe_observer.h"

namespace wan::suite {

/// A thread of its own opens CUPTI, so that the engine does not wait for it, then reads at a period that is not a
/// multiple of the counters' own: some reading then follows a window's end closely, which ties the two clocks.
class CounterStream {
 public:
  /// `device` as in the request: cuda, cuda:1. `pipe` must outlive this object.
  CounterStream(PipeObserver& pipe, const std::string& device);
  /// Sends what is left.
  ~CounterStream();
  CounterStream(const CounterStream&) = delete;
  CounterStream& operator=(const CounterStream&) = delete;

 private:
  void run(int ordinal);

  PipeObserver& pipe_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

/// 1 for "cuda:1", 0 where no number is named.
int cuda_ordinal(const std::string& device);

}  // namespace wan::suite
