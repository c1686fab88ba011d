// What became of one request: for the lines that people read and for the JSON document.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "cli/watch_video.h"
#include "pipeline/request.h"
#include "results/record.h"

namespace wan::cli {

/// Why there is no video.
struct VideoFailure {
  ErrorKind kind = ErrorKind::kRuntime;
  std::string message;
  ExitCode code = ExitCode::kFailure;
};

struct VideoResult {
  std::string where;  // of a file of prompts: the file and line; else empty
  Request request;
  std::optional<Outcome> outcome;  // of a video that was made
  std::optional<VideoCost> cost;   // of one that was begun
  std::optional<VideoFailure> failure;
};

/// What a made video took, as records have it; absent values have their reason.
Measured<int64_t> step_ns(
    const VideoCost& cost);  // of the steps' inference the median; where some are reused, the mean
Measured<int64_t> total_ns(const VideoCost& cost);
Measured<uint64_t> device_peak_bytes(const VideoCost& cost);  // of this process on the card
Measured<uint64_t> host_peak_bytes(const VideoCost& cost);    // resident set of this process
Measured<double> energy_j(const VideoCost& cost);             // of the card

/// The file, else the folder of frames, else the dump that a request leaves; empty: it leaves none.
std::string place_of(const Request& request);

/// Five lines: the video, its time, memory, energy, and the frames' SHA-256; one more for LoRAs, and for what was
/// reused. They fit 80 columns where the names they hold allow it.
std::string summary(const VideoResult& made);

/// The same as one row of Markdown, to paste: device | model, size and steps | step | total | peak memory | energy |
/// program.
std::string summary_row(const VideoResult& made);

/// What replayed steps came to; nothing where none were.
struct Replayed {
  double worst = 0;    // relative L2 of the guided velocity
  int worst_step = 0;  // from 0
  PrecisionClass precision_class = PrecisionClass::kUnknown;
  std::optional<double> bound;  // of the class
  bool holds() const { return !bound || worst <= *bound; }
};
std::optional<Replayed> replayed(const VideoResult& made);

/// A line a step, and one that says whether the class holds. Empty where no step was replayed.
std::string replay_text(const VideoResult& made);

/// Every stage with its seconds, and their sum.
std::string stage_table(const VideoResult& made);

}  // namespace wan::cli
