#include "measure/counter_clock.h"

#include <algorithm>
#include <deque>

namespace wan::measure {
namespace {

constexpr int64_t kAroundNs = 10'000'000'000;

/// Host time less device time, as far as batches seen near an instant know it. Instants and batches come in order, so
/// that the batches near one are a window that only moves on; of these, kept are the ones that may still be the least.
class NearbyOffset {
 public:
  explicit NearbyOffset(std::span<const CounterBatch> batches) : ahead_(batches) {}

  /// `seen_ns` is that of a batch with samples, and no earlier than at the last call.
  int64_t at(int64_t seen_ns) {
    for (; !ahead_.empty() && ahead_.front().seen_ns <= seen_ns + kAroundNs; ahead_ = ahead_.subspan(1))
      if (!ahead_.front().samples.empty()) admit(ahead_.front());
    while (rising_.front().seen_ns < seen_ns - kAroundNs) rising_.pop_front();
    return rising_.front().offset_ns;
  }

 private:
  struct Known {
    int64_t seen_ns = 0, offset_ns = 0;
  };

  void admit(const CounterBatch& batch) {
    const int64_t offset_ns = batch.seen_ns - batch.samples.back().end_ns;
    while (!rising_.empty() && rising_.back().offset_ns >= offset_ns) rising_.pop_back();
    rising_.push_back({batch.seen_ns, offset_ns});
  }

  std::span<const CounterBatch> ahead_;
  std::deque<Known> rising_;  // later ones have larger offsets
};

}  // namespace

std::vector<ActivityReading> on_host_clock(std::span<const CounterBatch> batches) {
  std::vector<ActivityReading> readings;
  std::optional<int64_t> counted_to_ns;
  NearbyOffset nearby(batches);
  for (const CounterBatch& batch : batches) {
    if (batch.samples.empty()) continue;
    const int64_t offset = nearby.at(batch.seen_ns);
    for (const CounterSample& sample : batch.samples) {
      const bool follows = counted_to_ns && sample.begin_ns >= *counted_to_ns && sample.end_ns > sample.begin_ns;
      counted_to_ns = std::max(counted_to_ns.value_or(sample.end_ns), sample.end_ns);
      if (!follows) continue;
      ActivityReading reading;
      reading.interval = {sample.begin_ns + offset, sample.end_ns + offset};
      reading.sm = sample.sm;
      reading.tensor = sample.tensor;
      reading.dram = sample.dram;
      readings.push_back(reading);
    }
  }
  // Two offsets differ by microseconds where one takes over from the other: windows of one series never overlap.
  for (size_t i = 1; i < readings.size(); ++i)
    readings[i].interval.begin_ns = std::max(readings[i].interval.begin_ns, readings[i - 1].interval.end_ns);
  return readings;
}

}  // namespace wan::measure
