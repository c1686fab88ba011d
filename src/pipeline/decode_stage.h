// VAE_Decoding: the latent to frames in host memory, piece by piece. Private to pipeline/.
#pragma once

#include <array>
#include <optional>

#include "pipeline/decode_task.h"
#include "pipeline/frame_sink.h"
#include "pipeline/stage_context.h"

namespace wan {

class DecodeStage {
 public:
  /// The latent must outlive this. `sink`: nullptr on the ranks that decode their columns for rank 0.
  DecodeStage(const StageContext& context, FrameSink* sink, const DecodeTask& task)
      : context_(context), plan_(context.plan), sink_(sink), task_(task) {}

  /// Gives every frame that is wanted to the sink. The device is idle when this begins, and only models hold memory
  /// besides what the task names.
  void run();

 private:
  struct Pending {
    TensorView frames;
    Event copied;
  };

  void allocate();
  void allocate_frames();
  void decode_chunk(int64_t done, int64_t count);
  void keep_pixels(TensorView decoded, int64_t frames);
  void hand_over();
  Backend& device() const { return context_.device(); }

  StageContext context_;
  const Plan& plan_;
  FrameSink* sink_;
  DecodeTask task_;
  Tensor latent_;  // on the host, to be checked
  Tensor arena_block_;
  Arena arena_;
  std::array<Tensor, 2> on_device_, on_host_;  // frames, in turns
  Tensor dumped_video_;                        // only for a dump, of a video that is made in one piece
  std::optional<Pending> pending_;             // on their way to the host
  int64_t chunks_done_ = 0, frames_done_ = 0;
};

}  // namespace wan
