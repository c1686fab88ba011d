// The one exception type for everything a user, a file or a machine can cause. Our own mistakes are asserts.
#pragma once

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace wan {

/// Exit codes of every command; one enum so that scripts can rely on them.
enum class ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        // failed while running; also `run` when any case is not ok
  kUsage = 2,          // bad usage or input, refused before work
  kComparison = 3,     // a comparison failed: regression, `diff` over its limit
  kInconclusive = 4,   // inconclusive under --strict
  kNotComparable = 5,  // the things compared are not the same workload
  kInterrupted = 130,  // SIGINT
  kTerminated = 143,   // SIGTERM
};

enum class ErrorKind {
  kUsage,        // a flag or value the user gave
  kInput,        // a file whose content is wrong, missing or hostile
  kRuntime,      // the machine refused: I/O, device, child process
  kOutOfMemory,  // see OutOfMemory for the facts
  kInterrupted,  // asked to stop
  kNotComparable,
};

/// Says what was expected, what was found, where, and how to mend it.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  explicit Error(const std::string& message) : Error(ErrorKind::kRuntime, message) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// Device or host memory ran out. The process stays able to go on with the next case.
class OutOfMemory : public Error {
 public:
  /// `what_for` names the stage or buffer; sizes in bytes; `advice` names the setting that would fit, or is empty.
  OutOfMemory(std::string what_for, uint64_t requested_bytes, uint64_t free_bytes, std::string advice = {});
  const std::string& what_for() const { return what_for_; }
  uint64_t requested_bytes() const { return requested_bytes_; }
  uint64_t free_bytes() const { return free_bytes_; }
  const std::string& advice() const { return advice_; }

 private:
  std::string what_for_;
  uint64_t requested_bytes_;
  uint64_t free_bytes_;
  std::string advice_;
};

/// Exit code that reports an error of this kind.
ExitCode exit_code(ErrorKind kind);

/// The function's own name in what a compiler calls it: "conv3d" of "virtual void wan::cpu::Backend::conv3d(const
/// Conv&)".
std::string operation_name(std::string_view function);

/// Throws Error(kind, message) unless `condition` holds. For checks of input, not of our own invariants.
inline void require(bool condition, std::string_view message, ErrorKind kind = ErrorKind::kInput) {
  if (!condition) throw Error(kind, std::string(message));
}

/// Throws Error(kRuntime) naming the calling operation, such as "linear", unless `condition` holds: shape and dtype
/// contracts of operations.
inline void require_op(bool condition, std::string_view message,
                       std::source_location where = std::source_location::current()) {
  if (!condition) throw Error(operation_name(where.function_name()) + ": " + std::string(message));
}

}  // namespace wan
