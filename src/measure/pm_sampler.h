// Hardware counters of a card at a fixed period through CUPTI PM sampling, from inside a process that uses the card.
// They are counted for the whole card, whoever uses it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure/counter_clock.h"

namespace wan::measure {

/// Samples from its making to its end. One at a time on a card: a second client is refused.
class PmSampler {
 public:
  static constexpr int64_t kPeriodNs = 10'000'000;

  /// `device`: the CUDA ordinal. Never throws: where CUPTI is absent, lacks rights, or another client holds the
  /// counters, `reason` says so.
  explicit PmSampler(int device);
  ~PmSampler();
  PmSampler(const PmSampler&) = delete;
  PmSampler& operator=(const PmSampler&) = delete;

  /// Why nothing is sampled (any more); empty: all is well.
  const std::string& reason() const;
  /// The counters in use, by their CUPTI names; what this card lacks is named too.
  const std::string& metrics() const;
  /// The windows that ended since the last call, by the device's clock. To be called every second or sooner.
  std::vector<CounterSample> read();

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace wan::measure
