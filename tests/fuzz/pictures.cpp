// The readers of pictures: PNG and JPEG, and an mp4's still. Checksums of PNG chunks are checked, so most of the depth
// is in what follows a good seed; FFmpeg's own code is not instrumented.
#include "io/image.h"
#include "io/video_poster.h"
#include "targets.h"

namespace wan::fuzz {

void image(Bytes input) {
  const Image found = decode_image(std::as_bytes(input), "fuzz");
  check(found.rgb.size() == static_cast<size_t>(found.width) * static_cast<size_t>(found.height) * 3,
        "an image has three bytes a pixel");
}

void poster(Bytes input) {
  const std::string jpeg = video_poster(as_file(input));
  check(jpeg.size() <= kPosterBytes, "a still is small");
  const Image still = decode_image(std::as_bytes(std::span(jpeg)), "still");
  check(still.width <= kPosterSide && still.height <= kPosterSide, "a still's sides are bounded");
}

}  // namespace wan::fuzz
