// A rough look at a video while it is made: the middle frame of what each step takes the end to be, by a linear map of
// a latent's channels to colours. The map is fitted to the decoder that is loaded: there are no weights for it.
#pragma once

#include <cstdint>
#include <vector>

namespace wan {

/// One small picture a step: at most 256 pixels on a side.
struct Preview {
  int step = 0, steps = 0;  // from 0
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb;  // RGB24 [height, width, 3]
};

class PreviewConsumer {
 public:
  virtual ~PreviewConsumer() = default;
  /// Steps in order, each soon after its end, from the thread that called `generate`, while the device computes on.
  /// What it throws ends the request.
  virtual void preview(const Preview& preview) = 0;
};

}  // namespace wan
