#include "pipeline/frame_sink.h"

#include <utility>

#include "pipeline/video_info.h"

namespace wan {
namespace {

constexpr size_t kQueueLimit = size_t{1} << 30;

}  // namespace

FrameSink::FrameSink(const Request& request, const Plan& plan, const std::vector<FrameConsumer*>& consumers) {
  if (!request.output.empty()) files_.push_back(std::make_unique<Mp4File>(request.output));
  if (!request.frames.empty()) files_.push_back(std::make_unique<PngFolder>(request.frames));
  const VideoInfo video = video_info(request, plan);
  const auto begin = [&](FrameConsumer& consumer) {
    consumer.begin(video);
    open_.push_back(&consumer);
  };
  try {
    for (const auto& file : files_) begin(*file);
    for (FrameConsumer* consumer : consumers) begin(*consumer);
  } catch (...) {
    abandon();
    throw;
  }
  thread_ = std::thread([this] { run(); });
}

FrameSink::~FrameSink() {
  {
    const std::lock_guard lock(mutex_);
    queue_.clear();
    closed_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  abandon();
}

void FrameSink::abandon() noexcept {
  for (FrameConsumer* consumer : open_) consumer->abandon();
  open_.clear();
}

void FrameSink::push(TensorView frames) {
  const size_t frame_bytes = frames.bytes() / static_cast<size_t>(frames.shape[0]);
  for (int64_t i = 0; i < frames.shape[0]; ++i) {
    const auto* data = frames.at(i).as<uint8_t>();
    std::vector<uint8_t> frame(data, data + frame_bytes);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failure_ || queued_bytes_ + frame_bytes <= kQueueLimit || queue_.empty(); });
    if (failure_) std::rethrow_exception(failure_);
    queued_bytes_ += frame_bytes;
    queue_.push_back(std::move(frame));
    changed_.notify_all();
  }
}

void FrameSink::run() {
  try {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::vector<uint8_t> frame = std::move(queue_.front());
      queue_.pop_front();
      queued_bytes_ -= frame.size();
      lock.unlock();
      changed_.notify_all();
      hand_out(frame);
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    queue_.clear();
    changed_.notify_all();
  }
}

void FrameSink::hand_out(const std::vector<uint8_t>& frame) {
  hash_.update(std::as_bytes(std::span(frame)));
  for (FrameConsumer* consumer : open_) consumer->frame(frame);
}

std::string FrameSink::finish(const Describe& metadata) {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (failure_) std::rethrow_exception(failure_);
  VideoFacts facts{hash_.hex(), {}};
  if (metadata && !open_.empty()) facts.metadata = metadata(facts.frames_sha256);
  for (FrameConsumer* consumer : open_) consumer->describe(facts);
  for (; !open_.empty(); open_.pop_front()) open_.front()->finish();
  return facts.frames_sha256;
}

}  // namespace wan
