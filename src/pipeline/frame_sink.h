// Takes decoded frames while later ones are still being computed: hashes them, encodes the video, writes PNGs, on a
// thread of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

class VideoWriter;
class FrameWriter;

class FrameSink {
 public:
  /// Opens the outputs at once, so that an unwritable one is found before any frame is computed.
  FrameSink(const Request& request, const Plan& plan);
  ~FrameSink();  // abandons unfinished outputs; leaves no partial file

  /// Queues a copy of frames U8 [n, H, W, 3] in host memory. Waits while more than 1 GiB is queued.
  void push(TensorView frames);
  /// Waits for everything queued, closes the files, returns the SHA-256 of all frames' bytes.
  std::string finish();

 private:
  void run();
  void write_frame(const std::vector<uint8_t>& frame);

  std::unique_ptr<VideoWriter> video_;
  std::unique_ptr<FrameWriter> pictures_;
  Sha256 hash_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<uint8_t>> queue_;  // one frame each
  size_t queued_bytes_ = 0;
  bool closed_ = false;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace wan
