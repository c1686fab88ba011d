// The frames of a video's clips, joined for a dump. Private to pipeline/.
#pragma once

#include <vector>

#include "pipeline/stage_context.h"

namespace wan {

class ShownClips {
 public:
  /// Keeps a clip's frames, F32 [3, n, height, width] on the device, of which the video has the first frames_of(clip);
  /// behind the last clip dumps the video. Does nothing where nothing is dumped.
  void add(const StageContext& context, TensorView pixels);

 private:
  std::vector<Tensor> clips_;  // host
};

}  // namespace wan
