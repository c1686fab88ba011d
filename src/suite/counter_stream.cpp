#include "suite/counter_stream.h"

#include <charconv>
#include <chrono>

#include "base/clock.h"
#include "base/error.h"
#include "measure/pm_sampler.h"

namespace wan::suite {
namespace {

constexpr std::chrono::milliseconds kReadPeriod{97};  // against windows of 10 ms: ten readings pass every phase

}  // namespace

int cuda_ordinal(const std::string& device) {
  int ordinal = 0;
  const size_t colon = device.find(':');
  if (colon != std::string::npos) std::from_chars(device.data() + colon + 1, device.data() + device.size(), ordinal);
  return ordinal;
}

CounterStream::CounterStream(PipeObserver& pipe, const std::string& device)
    : pipe_(pipe), thread_(&CounterStream::run, this, cuda_ordinal(device)) {}

CounterStream::~CounterStream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CounterStream::run(int ordinal) {
  measure::PmSampler sampler(ordinal);
  const auto send_news = [&] {
    if (measure::CounterBatch batch{0, sampler.read()}; !batch.samples.empty()) {
      batch.seen_ns = monotonic_ns();
      pipe_.send(Counters{std::move(batch)});
    }
    return sampler.reason().empty();
  };
  try {
    pipe_.send(CounterState{sampler.reason().empty() ? sampler.metrics() : "", sampler.reason()});
    bool more = sampler.reason().empty();
    while (more) {
      std::unique_lock lock(mutex_);
      more = !changed_.wait_for(lock, kReadPeriod, [this] { return stop_; });
      lock.unlock();
      if (send_news()) continue;
      pipe_.send(CounterState{"", sampler.reason()});
      return;
    }
  } catch (const Error&) {
    // The watching process has gone; the engine's own thread finds out by itself and says so.
  }
}

}  // namespace wan::suite
