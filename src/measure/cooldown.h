// Whether a card is cool enough to start the next run: runs that start hotter clock lower and do not compare.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "measure/gpu.h"

namespace wan::measure {

inline constexpr double kStartToleranceC = 3;  // above the first run's start
inline constexpr int64_t kCoolDownPollNs = 500'000'000;

/// True when the card is at most 3 C above the first start, when it has waited `longest_s`, or when a temperature is
/// not known. A card colder than at the first start is not waited for: waiting would only cool it further.
bool cool_enough(std::optional<double> first_start_c, std::optional<double> now_c, double waited_s, double longest_s);

struct CoolDown {
  std::optional<double> start_c;  // as the run begins
  double waited_s = 0;
};

/// Reads the card until it is cool enough or `stop`, asked every half second, says true. Nothing without a card.
CoolDown wait_until_cool(Gpu* gpu, std::optional<double> first_start_c, double longest_s,
                         const std::function<bool()>& stop);

}  // namespace wan::measure
