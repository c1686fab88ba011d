// Where the end-to-end tests of clips run: on the CPU, or, in the program for cards, on the card that
// WANBENCH_TEST_DEVICE names.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace wan::test {

inline std::string test_device() {
  const char* named = std::getenv("WANBENCH_TEST_DEVICE");
  return named != nullptr ? named : "cpu";
}

inline bool tests_a_card() { return test_device() != "cpu"; }

/// The fixtures of the build, or of WANBENCH_FIXTURES on a machine that has no build.
inline std::filesystem::path fixtures() {
  const char* named = std::getenv("WANBENCH_FIXTURES");
  return named != nullptr ? named : WAN_FIXTURES;
}

}  // namespace wan::test
