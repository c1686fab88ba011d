#include "cli/openmp_settings.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace wan::cli {
namespace {

constexpr const char* kSpinCount = "GOMP_SPINCOUNT";
constexpr const char* kSetByUs = "WANBENCH_OPENMP_SET";  // tells that the spin count is not the user's

void forget_settings() {
  unsetenv(kSpinCount);
  unsetenv(kSetByUs);
}

}  // namespace

std::map<std::string, std::string> openmp_settings() {
  if (std::getenv(kSpinCount) != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return {};
  return {{kSpinCount, "10000"}};
}

void restart_with_openmp_settings(char** argv) {
  if (std::getenv(kSetByUs) != nullptr) {
    forget_settings();
    return;
  }
  const auto settings = openmp_settings();
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (settings.empty() || error) return;
  for (const auto& [name, value] : settings) setenv(name.c_str(), value.c_str(), 1);
  setenv(kSetByUs, "1", 1);
  execv(program.c_str(), argv);
  forget_settings();  // not started: no other program is to find them either
}

}  // namespace wan::cli
