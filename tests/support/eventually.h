// Waiting for what another thread or a device does in its own time.
#pragma once

#include <chrono>
#include <thread>

namespace wan::test {

/// Whether `condition` becomes true within a minute: long enough that it does on any machine unless something is
/// broken.
template <typename Condition>
bool eventually(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace wan::test
