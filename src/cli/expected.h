// What a video will take, said before its work, and whether to go on: a long wait on a processor is agreed to first.
#pragma once

#include <string>
#include <vector>

#include "pipeline/expectation.h"
#include "pipeline/request.h"
#include "pipeline/stop.h"

namespace wan::cli {

/// Who answers whether to go on.
enum class Agreement {
  kAsk,    // the person at the terminal; without one it is no
  kGiven,  // --yes
};

/// One or more videos of one size and length, made one after another.
struct ExpectedVideos {
  std::string name;  // of a case; empty for a single video
  Expectation expectation;
  int64_t videos = 1;
};

/// "expected: about 2:05 min (20 steps of 5.1 s, decoding 8.2 s), 3.1 GiB of memory": one line each, and what it is
/// computed from.
std::vector<std::string> expectation_lines(const std::vector<ExpectedVideos>& videos);

/// The lines on standard error, in 80 columns.
void tell_expected(const std::vector<ExpectedVideos>& videos);

/// Beyond this a computation on the CPU needs agreement.
inline constexpr double kLongSeconds = 600;

/// Goes on at once unless the videos that run on the CPU take longer than kLongSeconds together. Then a terminal asks,
/// until `stop`; elsewhere, and after any answer but yes, throws Error(kUsage) naming --yes.
void require_agreement(const std::vector<ExpectedVideos>& videos, Agreement agreement, const StopSource& stop);

class VideoMaker;

/// Of one request, or of several, those of one size together: said on standard error unless `is_quiet`, then agreed to.
/// Throws Error(kUsage) for what is refused.
void expect_videos(VideoMaker& maker, const std::vector<const Request*>& requests, Agreement agreement, bool is_quiet);

}  // namespace wan::cli
