#include "base/error.h"

#include <fmt/format.h>

namespace wan {
namespace {

std::string describe(const std::string& what_for, uint64_t requested, uint64_t free, const std::string& advice) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  std::string text = fmt::format("out of memory in {}: asked for {} bytes ({:.2f} GiB), {} bytes ({:.2f} GiB) free",
                                 what_for, requested, requested / kGiB, free, free / kGiB);
  if (!advice.empty()) text += "; " + advice;
  return text;
}

}  // namespace

OutOfMemory::OutOfMemory(std::string what_for, uint64_t requested_bytes, uint64_t free_bytes, std::string advice)
    : Error(ErrorKind::kOutOfMemory, describe(what_for, requested_bytes, free_bytes, advice)),
      what_for_(std::move(what_for)),
      requested_bytes_(requested_bytes),
      free_bytes_(free_bytes),
      advice_(std::move(advice)) {}

ExitCode exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
    case ErrorKind::kInput: return ExitCode::kUsage;
    case ErrorKind::kInterrupted: return ExitCode::kInterrupted;
    case ErrorKind::kNotComparable: return ExitCode::kNotComparable;
    case ErrorKind::kRuntime:
    case ErrorKind::kOutOfMemory: return ExitCode::kFailure;
  }
  return ExitCode::kFailure;
}

}  // namespace wan
