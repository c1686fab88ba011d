// What the server and its worker say to each other, a JSON object a line. Down goes what to make and what to stop; up
// come the messages of a measured run (suite/protocol.h), with those below between them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "suite/protocol.h"

namespace wan::serve {

/// A video to make. Its files are there, and on the disk, when the worker says `finished`.
struct MakeOrder {
  int64_t number = 0;   // counts up in one worker's life
  std::string request;  // as request_json writes it, with the pictures' files
  std::filesystem::path video, poster, last_frame, preview;
};

/// To stop making that one at the next safe point, or not to begin.
struct CancelOrder {
  int64_t number = 0;
};

using WorkerOrder = std::variant<MakeOrder, CancelOrder>;

std::string encode(const WorkerOrder& order);
/// Throws Error(kInput) showing the line's beginning.
WorkerOrder decode_order(std::string_view line);

/// What the video that begins will take, by the engine's cost model.
struct ExpectedVideo {
  double seconds = 0;
  uint64_t peak_bytes = 0;
  std::string basis;
};

/// The picture of a step is in the order's preview file.
struct PreviewMade {
  int step = 0;  // from 1
};

using WorkerMessage = std::variant<suite::Message, ExpectedVideo, PreviewMade>;

std::string encode(const ExpectedVideo& expected);
std::string encode(const PreviewMade& made);
/// Throws Error(kInput) likewise.
WorkerMessage decode_message(std::string_view line);

}  // namespace wan::serve
