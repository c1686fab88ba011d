// The lines of a pipe that anything may write to: what is kept of them is bounded, whatever comes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wan::suite {

/// What is taken of a pipe at most.
struct PipeLimits {
  size_t line_bytes = size_t{1} << 20;
  size_t lines = 200'000;
  size_t bytes = size_t{32} << 20;  // of all lines together
};

/// Cuts a stream into lines. A line that is too long is passed over to its end and never held; once there are too many
/// lines or bytes, all that follows is passed over.
class BoundedLines {
 public:
  explicit BoundedLines(const PipeLimits& limits) : limits_(limits) {}

  /// The lines that `fresh` ended, without their line feed. The rest of it begins the next line; what the stream ends
  /// with is no line, for its writer had not finished saying it.
  std::vector<std::string> take(std::string_view fresh);

  /// What was passed over and why; empty: nothing was.
  std::string left_out() const;

 private:
  void append(std::string_view text);
  void end_line(std::vector<std::string>& lines);

  PipeLimits limits_;
  std::string line_;
  bool too_long_ = false;
  size_t lines_ = 0, bytes_ = 0;
  size_t long_lines_ = 0, lines_too_many_ = 0;
};

}  // namespace wan::suite
