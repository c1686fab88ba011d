// Takes decoded frames while later ones are still being computed: hashes them and gives them to the consumers, on a
// thread of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "pipeline/frame_consumer.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"

namespace wan {

class FrameSink {
 public:
  /// For the files that `request` names and for `consumers`, which must outlive this. Begins them at once, so that an
  /// output that cannot be written is found before any frame is computed.
  FrameSink(const Request& request, const Plan& plan, const std::vector<FrameConsumer*>& consumers);
  ~FrameSink();  // abandons what is not finished

  /// Queues a copy of frames U8 [n, H, W, 3] in host memory. Waits while more than 1 GiB is queued.
  void push(TensorView frames);
  /// What a video's metadata is, given the SHA-256 of its frames; empty: it is not to be said.
  using Describe = std::function<std::string(const std::string& frames_sha256)>;
  /// Waits for everything queued, describes the video to the consumers and finishes them; returns the SHA-256 of all
  /// frames' bytes. `metadata` is asked where there is a consumer.
  std::string finish(const Describe& metadata = {});

 private:
  void run();
  void hand_out(const std::vector<uint8_t>& frame);
  void abandon() noexcept;

  std::vector<std::unique_ptr<FrameConsumer>> files_;
  std::deque<FrameConsumer*> open_;  // begun, not finished
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
