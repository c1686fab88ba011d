// Child processes: each in a process group of its own, with pipes to its stdout, stderr and one extra channel, so that
// a whole tree can be watched and ended; it ends with the process that started it. Reading the pipes is the caller's
// loop; nothing here blocks but `wait`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

/// A file descriptor that closes itself. Move-only.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  bool open() const { return value_ >= 0; }
  int release() noexcept;
  void reset() noexcept;

 private:
  int value_ = -1;
};

/// What a program is started with. Standard input is /dev/null; no other descriptor of ours reaches it.
struct SpawnOptions {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH when it has no slash
  std::map<std::string, std::string> environment;  // added to, or replacing, our own
  std::filesystem::path folder;                    // working directory; empty: ours
  uint64_t memory_limit_bytes = 0;  // RLIMIT_DATA, set before the start: private memory of each process; 0: none
};

/// How a process ended, with what the kernel accounted to it and to the children it waited for.
struct ExitState {
  int exit_code = 0;  // meaningful when `signal` is 0
  int signal = 0;     // the signal that ended it, or 0
  int64_t cpu_ns = 0;
  uint64_t peak_rss_bytes = 0;  // of the largest process of the tree
  int64_t end_ns = 0;           // CLOCK_MONOTONIC when the end was seen
};

class ProcessGuard;

class Subprocess {
 public:
  /// The number under which the child finds the write end of `channel`.
  static constexpr int kChannelDescriptor = 3;

  /// Starts the program. Throws Error(kUsage) when it cannot be executed, Error(kRuntime) when the machine refuses.
  explicit Subprocess(const SpawnOptions& options);
  /// Ends it as the end of this process would, if it was not waited for.
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  int64_t start_ns() const { return start_ns_; }  // CLOCK_MONOTONIC just before the start
  Descriptor& out() { return out_; }
  Descriptor& err() { return err_; }
  Descriptor& channel() { return channel_; }

  /// Readable once the child has ended (pidfd_open); not open where the kernel has no pidfd.
  int exit_descriptor() const { return exit_.get(); }

  /// The end of the child if it has ended; does not block. What it started and left behind is killed then, before the
  /// child is waited for: afterwards the group's number may be another's. Keeps answering the same afterwards.
  std::optional<ExitState> poll();
  ExitState wait();

  /// The process that ends the group if this one is killed (base/process_guard.h).
  pid_t guard_pid() const;

  /// Signals every process of the child's group, until the child was waited for.
  void signal_group(int signal_number) const;

 private:
  ExitState reap();
  std::string mark_;
  std::unique_ptr<ProcessGuard> guard_;
  pid_t pid_ = -1;
  int64_t start_ns_ = 0;
  Descriptor out_, err_, channel_, exit_;
  std::optional<ExitState> ended_;
};

/// Appends what can be read without blocking; false at end of file. The descriptor must be non-blocking.
bool read_available(const Descriptor& descriptor, std::string& into);

/// Takes whole lines off the front of `buffer`, without their line feed.
std::vector<std::string> take_lines(std::string& buffer);

/// The last bytes of a stream.
class Tail {
 public:
  explicit Tail(size_t limit) : limit_(limit) {}
  void append(std::string_view text);
  const std::string& text() const { return text_; }

 private:
  size_t limit_;
  std::string text_;
};

/// A word for a POSIX shell: as it is when plain, else in single quotes.
std::string shell_quoted(const std::string& word);

}  // namespace wan
