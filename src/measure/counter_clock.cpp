#include "measure/counter_clock.h"

#include <algorithm>
#include <limits>

namespace wan::measure {
namespace {

constexpr int64_t kAroundNs = 10'000'000'000;

/// Host time less device time, as far as batches near `seen_ns` know it.
int64_t offset_at(std::span<const CounterBatch> batches, int64_t seen_ns) {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const CounterBatch& batch : batches)
    if (!batch.samples.empty() && std::abs(batch.seen_ns - seen_ns) <= kAroundNs)
      least = std::min(least, batch.seen_ns - batch.samples.back().end_ns);
  return least;
}

}  // namespace

std::vector<ActivityReading> on_host_clock(std::span<const CounterBatch> batches) {
  std::vector<ActivityReading> readings;
  std::optional<int64_t> counted_to_ns;
  for (const CounterBatch& batch : batches) {
    if (batch.samples.empty()) continue;
    const int64_t offset = offset_at(batches, batch.seen_ns);
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
