#include "pipeline/frame_sink.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "io/video_writer.h"
#include "pipeline/video_settings.h"

namespace wan {
namespace {

constexpr size_t kQueueLimit = size_t{1} << 30;

}  // namespace

FrameSink::FrameSink(const Request& request, const Plan& plan) {
  // Noise, the worst there is for H.264, takes a quarter of its bytes at the official quality.
  const auto bytes = static_cast<uint64_t>(plan.num_frames * plan.height * plan.width * 3);
  if (!request.output.empty()) require_writable(request.output.parent_path(), bytes / 4);
  if (!request.frames.empty()) require_writable(request.frames, bytes);
  if (!request.output.empty()) video_ = std::make_unique<VideoWriter>(request.output, video_settings(request, plan));
  if (!request.frames.empty())
    pictures_ =
        std::make_unique<FrameWriter>(request.frames, static_cast<int>(plan.width), static_cast<int>(plan.height));
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
      write_frame(frame);
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    queue_.clear();
    changed_.notify_all();
  }
}

void FrameSink::write_frame(const std::vector<uint8_t>& frame) {
  hash_.update(std::as_bytes(std::span(frame)));
  if (video_) video_->write(frame);
  if (pictures_) pictures_->write(frame);
}

std::string FrameSink::finish() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (failure_) std::rethrow_exception(failure_);
  if (video_) video_->finish();
  return hash_.hex();
}

}  // namespace wan
