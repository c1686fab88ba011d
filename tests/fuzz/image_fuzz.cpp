// Fuzzes decode_image. Checksums of PNG chunks are checked, so most of the depth is in what follows a good seed.
#include <cstdlib>

#include "base/error.h"
#include "io/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const wan::Image image = wan::decode_image(std::as_bytes(std::span(data, size)), "fuzz");
    if (image.rgb.size() != static_cast<size_t>(image.width) * static_cast<size_t>(image.height) * 3) std::abort();
  } catch (const wan::Error&) {
  }
  return 0;
}
