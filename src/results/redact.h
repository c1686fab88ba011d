// What is taken out of records before they are published.
#pragma once

#include <string>
#include <utility>

#include "results/ablation.h"
#include "results/load.h"
#include "results/record.h"

namespace wan {

/// The flag of a run whose program said a line that could not be read; its detail quotes the line.
inline constexpr const char* kUnreadableFlag = "pipe_unreadable";

/// One for all that is published together: host name, paths, prompts, commands, environment, what the program printed
/// and its free texts go. Digests that a prompt went into (of the prompts, the work, the case, the record) are replaced
/// under a key that is drawn once and kept nowhere: equal ones stay equal, and no list of words undoes them. Numbers,
/// names of stages and cases, weights' digests and that of the video stay.
class Redactor {
 public:
  /// Draws a key.
  Redactor();
  explicit Redactor(std::string key) : key_(std::move(key)) {}

  void redact(RunRecord& record) const;
  /// Of its texts those that may name a file.
  static void redact(Ablation& ablation);
  /// Where the server is, and what it said of failures.
  static void redact(LoadTest& test);

 private:
  void redact_fidelity(FidelityRecord& fidelity) const;
  std::string keyed(const std::string& digest) const;

  std::string key_;
};

}  // namespace wan
