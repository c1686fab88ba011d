// The server's end of one worker: its process is started, and started again when it has ended; it is ordered one video
// at a time, listened to, and stopped.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/subprocess.h"
#include "serve/worker_protocol.h"

namespace wan::serve {

/// How a worker is started: a program and its words, to which the options of the pipes are added.
struct WorkerProgram {
  std::vector<std::string> argv;
};

/// How one order ended.
struct Attempt {
  enum class End {
    kFinished,  // its files are on the disk
    kFailed,    // the engine said why
    kKilled,    // the process was ended from outside
    kCrashed,   // the process ended by itself in the middle
    kStopped,   // by the server, which gave it up
  };
  End end = End::kCrashed;
  std::optional<suite::Finished> finished;
  std::optional<suite::Failure> failure;
  std::string what;  // of kKilled and kCrashed: the signal or exit code, and the last words
};

/// What the server wants of the order that runs.
enum class Wish { kGoOn, kCancel, kGiveUp };

class WorkerLink {
 public:
  /// `fifo` is made anew for each process; it must lie in a folder of the server's own.
  WorkerLink(WorkerProgram program, std::filesystem::path fifo);
  ~WorkerLink();
  WorkerLink(const WorkerLink&) = delete;
  WorkerLink& operator=(const WorkerLink&) = delete;

  /// Starts the process unless it runs, and waits until it says hello. Throws Error(kRuntime) with its last words when
  /// it does not.
  void ensure_started();
  /// Whether it runs; takes notice of its end, and off its pipes what it says between orders: it never waits for a
  /// reader who has nothing to ask.
  bool is_running();
  pid_t pid() const;

  /// Has a video made. `on_message` is called with all that is said; `wish` is asked whenever something happened. After
  /// kCancel the worker has `patience` to end the request, then it is killed; after kGiveUp it is killed at once.
  Attempt make(MakeOrder order, const std::function<void(const WorkerMessage&)>& on_message,
               const std::function<Wish()>& wish, std::chrono::milliseconds patience);
  /// Has `wish` asked again. From any thread.
  void wake();
  /// Ends the process.
  void end();

 private:
  struct Process;
  class Conversation;
  std::string last_words();
  WorkerProgram program_;
  std::filesystem::path fifo_;
  Descriptor wake_;
  std::unique_ptr<Process> process_;
};

}  // namespace wan::serve
