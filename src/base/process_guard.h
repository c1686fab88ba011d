// Ends a program that was started, and what it started, when the starting process ends in any way, also by SIGKILL.
//
// Three ways together: the kernel kills the program itself (PR_SET_PDEATHSIG, set by Subprocess), the guard kills its
// process group, and whatever left the group is found by a mark in its environment. Not covered: a process that left
// the group and cleared its environment or changed its user, and work that another service was asked to do, such as a
// container of a daemon.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/subprocess.h"

namespace wan {

/// A small process outside the group and the session, which waits for the end of the process that made it.
class ProcessGuard {
 public:
  /// `mark`: an entry NAME=VALUE that the environment of the guarded program has, and of no other. Throws
  /// Error(kRuntime) when no process can be had.
  explicit ProcessGuard(const std::string& mark);
  ~ProcessGuard() { release(); }
  ProcessGuard(const ProcessGuard&) = delete;
  ProcessGuard& operator=(const ProcessGuard&) = delete;

  pid_t pid() const { return pid_; }
  /// Where the guarded program, before it is executed, says its number by `say_group`.
  int descriptor() const { return to_guard_.get(); }
  /// From here on the group of this number is guarded. Safe between fork and exec.
  static void say_group(int descriptor, pid_t group) noexcept;
  /// Ends the guard, which kills nothing any more. Called before the group's leader is waited for: afterwards its
  /// number may be another's.
  void release() noexcept;

 private:
  Descriptor to_guard_;
  pid_t pid_ = -1;
};

/// Kills every process whose environment, as it was started, has the entry `mark`, until there is none. Safe between
/// fork and exec.
void end_marked(const char* mark) noexcept;

}  // namespace wan
