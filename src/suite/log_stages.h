// Stages of a program that cannot be changed, cut by what it prints: a line that matches a pattern begins a stage and
// ends the one before it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "suite/protocol.h"

namespace wan::suite {

struct LogPattern {
  std::string regex;  // in the syntax of RE2, searched anywhere in the line
  std::string stage;  // "$1" and so on are replaced by what the groups matched, "$&" by all of it
};

/// The patterns file: a JSON list of {"match": ..., "stage": ...}. Throws Error(kInput) naming the
/// entry when one is not understood (look-ahead, look-behind and back references are not), or when they are too many or
/// too long.
std::vector<LogPattern> parse_patterns(const std::string& text, const std::string& where);

class LogStages {
 public:
  /// Throws Error(kInput) as parse_patterns does.
  explicit LogStages(const std::vector<LogPattern>& patterns);
  ~LogStages();
  LogStages(const LogStages&) = delete;
  LogStages& operator=(const LogStages&) = delete;

  /// A line that was read at `at_ns`. The stage that it began; null when it began none.
  const StageId* line(const std::string& text, int64_t at_ns);
  /// The stages seen, the last one closed at `end_ns`; none when they were too many.
  std::vector<StageSpan> spans(int64_t end_ns) const;
  /// Why spans() has none although lines matched; empty: it has all.
  std::string left_out() const;

 private:
  struct Rule;
  std::vector<std::unique_ptr<Rule>> rules_;
  std::vector<StageSpan> seen_;
  size_t begun_ = 0;
};

}  // namespace wan::suite
