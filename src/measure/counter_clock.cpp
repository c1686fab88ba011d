#include "measure/counter_clock.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace wan::measure {
namespace {

constexpr int64_t kAroundNs = 10'000'000'000;
constexpr int64_t kMostNs = int64_t{1} << 61;  // sums and differences of two do not overflow

bool is_time(int64_t at_ns) { return at_ns >= -kMostNs && at_ns <= kMostNs; }

/// Batches that are none, or were seen before the one in front of them, are left out, and so are windows of no time.
std::vector<CounterBatch> in_order(std::span<const CounterBatch> batches) {
  std::vector<CounterBatch> kept;
  for (const CounterBatch& batch : batches) {
    if (!is_time(batch.seen_ns) || (!kept.empty() && batch.seen_ns < kept.back().seen_ns)) continue;
    CounterBatch good = batch;
    std::erase_if(good.samples, [](const CounterSample& sample) {
      return !is_time(sample.begin_ns) || !is_time(sample.end_ns) || sample.end_ns < sample.begin_ns;
    });
    if (!good.samples.empty()) kept.push_back(std::move(good));
  }
  return kept;
}

/// Host time less device time, as far as batches seen near an instant know it. Instants and batches come in order, so
/// that the batches near one are a window that only moves on; of these, kept are the ones that may still be the least.
class NearbyOffset {
 public:
  explicit NearbyOffset(std::span<const CounterBatch> batches) : ahead_(batches) {}

  /// `seen_ns` is that of a batch with samples, and no earlier than at the last call.
  int64_t at(int64_t seen_ns) {
    for (; !ahead_.empty() && ahead_.front().seen_ns <= seen_ns + kAroundNs; ahead_ = ahead_.subspan(1))
      admit(ahead_.front());
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

std::vector<ActivityReading> on_host_clock(std::span<const CounterBatch> all) {
  const std::vector<CounterBatch> batches = in_order(all);
  std::vector<ActivityReading> readings;
  std::optional<int64_t> counted_to_ns;
  NearbyOffset nearby(batches);
  for (const CounterBatch& batch : batches) {
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
  std::vector<ActivityReading> apart;
  for (ActivityReading& reading : readings) {
    if (!apart.empty()) reading.interval.begin_ns = std::max(reading.interval.begin_ns, apart.back().interval.end_ns);
    if (apart.empty() || reading.interval.end_ns > apart.back().interval.end_ns) apart.push_back(std::move(reading));
  }
  return apart;
}

}  // namespace wan::measure
