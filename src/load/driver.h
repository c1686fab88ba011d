// Sends requests when they are due and writes down what becomes of them. Pure but for its target: no thread, no clock
// of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "load/arrivals.h"
#include "load/target.h"
#include "results/load.h"

namespace wan::load {

struct LevelPlan {
  LoadMode mode = LoadMode::kPoisson;
  std::optional<double> rate;
  std::vector<double> arrivals;          // of an open load: arrivals.h
  int64_t concurrency = 1;               // of a closed one
  std::optional<LoadScenario> scenario;  // likewise
  LoadLength length;                     // likewise
  int64_t warm_up = 0;                   // requests, of those above or before the length
  int64_t most_at_once = 256;            // of an open load: one more waits here, and that wait is in its latency
  double request_limit_s = 3600;         // from its sending; then it has timed out
};

/// The price's currency and the reasons are the last that were told.
struct LevelResult {
  LoadLevel level;
  Told last;
};

/// Sends all of it and waits until each request is over. `order_of`: what the n-th request asks for, and which of the
/// prompts that is. `stopped`: asked after each event; where it is true the requests under way are given up and
/// Error(kInterrupted) is thrown.
class Driver {
 public:
  using OrderOf = std::function<std::pair<Order, int64_t>(size_t)>;
  Driver(Target& target, OrderOf order_of, std::function<bool()> stopped);

  LevelResult run(const LevelPlan& plan);

  /// Readings of power for so long, without requests.
  std::vector<PowerReading> idle(double seconds);

 private:
  Target& target_;
  OrderOf order_of_;
  std::function<bool()> stopped_;
};

}  // namespace wan::load
