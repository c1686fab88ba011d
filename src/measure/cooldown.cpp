#include "measure/cooldown.h"

#include <chrono>
#include <thread>

#include "base/clock.h"

namespace wan::measure {

bool cool_enough(std::optional<double> first_start_c, std::optional<double> now_c, double waited_s, double longest_s) {
  return !first_start_c || !now_c || *now_c <= *first_start_c + kStartToleranceC || waited_s >= longest_s;
}

CoolDown wait_until_cool(Gpu* gpu, std::optional<double> first_start_c, double longest_s,
                         const std::function<bool()>& stop) {
  if (gpu == nullptr) return {};
  const int64_t begin_ns = monotonic_ns();
  CoolDown state;
  while (true) {
    state.start_c = gpu->read().temperature_c;
    state.waited_s = seconds_from_ns(monotonic_ns() - begin_ns).value;
    if (cool_enough(first_start_c, state.start_c, state.waited_s, longest_s) || stop()) return state;
    std::this_thread::sleep_for(std::chrono::nanoseconds(kCoolDownPollNs));
  }
}

}  // namespace wan::measure
