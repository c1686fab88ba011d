// The readers of pictures, PNG and JPEG, of an mp4's frames and still, and of sound. Checksums of PNG chunks are
// checked, so most of the depth is in what follows a good seed; FFmpeg's own code is not instrumented.
#include "io/image.h"
#include "io/orientation.h"
#include "io/sound.h"
#include "io/video_frames.h"
#include "io/video_poster.h"
#include "targets.h"

namespace wan::fuzz {

void image(Bytes input) {
  const int orientation = exif_orientation(std::as_bytes(input));
  check(orientation >= 1 && orientation <= 8, "a picture is held in one of eight ways");
  const Image found = decode_image(std::as_bytes(input), "fuzz");
  check(found.rgb.size() == static_cast<size_t>(found.width) * static_cast<size_t>(found.height) * 3,
        "an image has three bytes a pixel");
}

void poster(Bytes input) {
  const auto file = as_file(input);
  const auto video = open_video_frames(file);
  constexpr int kMostRead = 4;  // a frame may be large
  Image frame;
  for (int i = 0; i < kMostRead && video->next(frame); ++i)
    check(frame.width == video->facts().width && frame.height == video->facts().height, "a video has one size");
  const std::string jpeg = video_poster(file);
  check(jpeg.size() <= kPosterBytes, "a still is small");
  const Image still = decode_image(std::as_bytes(std::span(jpeg)), "still");
  check(still.width <= kPosterSide && still.height <= kPosterSide, "a still's sides are bounded");
}

void sound(Bytes input) {
  const Sound found = read_sound(as_file(input));
  check(found.channels > 0 && found.rate > 0 && found.frames() > 0, "a sound has samples");
  check(found.frames() <= kMostSoundSeconds * found.rate && std::ssize(found.samples) <= kMostSoundValues,
        "a sound's length is bounded");
  check(std::ssize(to_mono(found)) == found.frames(), "one channel has as many frames");
}

}  // namespace wan::fuzz
