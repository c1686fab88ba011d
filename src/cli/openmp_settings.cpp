#include "cli/openmp_settings.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace wan::cli {
namespace {

constexpr const char* kSetByUs = "WANBENCH_OPENMP_SET";

}  // namespace

std::map<std::string, std::string> openmp_settings() {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return {};
  return {{"GOMP_SPINCOUNT", "10000"}};
}

void restart_with_openmp_settings(char** argv) {
  if (std::getenv(kSetByUs) != nullptr) {
    unsetenv(kSetByUs);
    unsetenv("GOMP_SPINCOUNT");
    return;
  }
  const auto settings = openmp_settings();
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (settings.empty() || error) return;
  for (const auto& [name, value] : settings) setenv(name.c_str(), value.c_str(), 1);
  setenv(kSetByUs, "1", 1);
  execv(program.c_str(), argv);
  unsetenv(kSetByUs);
}

}  // namespace wan::cli
