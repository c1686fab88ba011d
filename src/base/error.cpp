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

std::string operation_name(std::string_view function) {
  constexpr std::string_view kUnnamed = "(anonymous namespace)";  // as clang writes it
  size_t end = function.find('(');
  while (end != std::string_view::npos && function.substr(end).starts_with(kUnnamed))
    end = function.find('(', end + kUnnamed.size());
  const std::string_view head = function.substr(0, end);
  return std::string(head.substr(head.find_last_of(":* &") + 1));
}

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
