// What the driver sends requests to: a server, or in tests one that is simulated. The clock is the target's own, so
// that a simulated one has a simulated clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/load.h"

namespace wan::load {

/// What is asked of the server. What is 0, empty or nothing is left to it.
struct Order {
  std::string prompt, negative_prompt;
  int64_t width = 0, height = 0, num_frames = 0;
  int steps = 0;
  std::string recipe;
  std::optional<double> guidance_scale, guidance_scale_2, shift;
  uint64_t seed = 0;
};

/// What the server said of a request with its last word, or earlier; what is nothing was not said.
struct Told {
  std::optional<int64_t> queue_position;
  std::optional<double> inference_s, expected_s, energy_j, price;
  std::vector<LoadStage> stages;
  std::string currency, why_no_energy, why_no_price;
};

/// Something happened, at a time of the target's clock.
struct Event {
  enum class Kind {
    kAccepted,  // the request was taken in
    kStarted,   // it is being made
    kEnded,     // it is over, whichever way
    kPower,     // a reading of all cards together
  };
  Kind kind = Kind::kEnded;
  size_t request = 0;
  double at_s = 0;
  StartKnown how = StartKnown::kNot;  // of a start
  LoadEnd end = LoadEnd::kCompleted;  // of an end
  std::string detail;                 // of one that was not completed
  Told told;                          // of an acceptance and an end
  double watts = 0;
};

class Target {
 public:
  virtual ~Target() = default;
  /// Seconds since some moment; never goes back.
  virtual double now_s() = 0;
  /// Begins it: what becomes of it are events with its number.
  virtual void submit(size_t request, const Order& order) = 0;
  /// The next event, or nothing once it is `until_s` or somebody asked to stop.
  virtual std::optional<Event> wait(double until_s) = 0;
  /// Nobody waits for the request any more: the server is told where it can be, and no event of it comes.
  virtual void give_up(size_t request) = 0;
};

}  // namespace wan::load
