// What a watched process says over its pipe, as it comes: cut into lines, decoded, and kept by video.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "suite/bounded_lines.h"
#include "suite/watch.h"

namespace wan::suite {

class PipeLog {
 public:
  /// Keeps at most `most_videos` in `seen`, which must outlive it.
  PipeLog(const PipeLimits& limits, size_t most_videos, Watched& seen)
      : lines_(limits), most_videos_(most_videos), seen_(seen) {}

  /// Keeps what the lines say that `fresh` ended, and hands each message on. Of the lines that cannot be read the first
  /// says why in `seen`.
  void take(std::string_view fresh, const std::function<void(const Message&)>& on_message);

  /// Nothing more comes: notes what was left out.
  void finish();

 private:
  void keep(const Message& message);
  void note_left_out(std::string_view what);

  BoundedLines lines_;
  size_t most_videos_;
  size_t videos_too_many_ = 0;
  Watched& seen_;
};

}  // namespace wan::suite
