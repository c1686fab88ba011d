#include "pipeline/shown_clips.h"

#include <algorithm>

namespace wan {

void ShownClips::add(const StageContext& context, TensorView pixels) {
  if (!context.dump.is_on()) return;
  const Plan& plan = context.plan;
  clips_.push_back(context.device().download(pixels.slice(1, 0, plan.frames_of(context.clip))));
  if (context.clip + 1 < plan.clips) return;
  const Tensor video = host_tensor(DType::kF32, {3, plan.num_frames, plan.height, plan.width});
  const int64_t plane = plan.height * plan.width;
  int64_t done = 0;
  for (const Tensor& clip : clips_) {
    const int64_t count = clip->shape[1];
    for (int64_t c = 0; c < 3; ++c)
      std::copy_n(clip->as<float>() + c * count * plane, count * plane,
                  video->as<float>() + (c * plan.num_frames + done) * plane);
    done += count;
  }
  context.dump.add_of_all_clips("video", video);
}

}  // namespace wan
