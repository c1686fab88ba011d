// What the metrics of `wanbench fidelity` cost: each alone on one core for a frame, then all of a video on all cores.
// Usage: bench_fidelity [WIDTH HEIGHT FRAMES]
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

#include "base/threads.h"
#include "fidelity/compare_videos.h"
#include "fidelity/flip.h"
#include "fidelity/psnr.h"
#include "fidelity/ssim.h"

namespace {

using wan::Image;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double core_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return double(time.tv_sec) + 1e-6 * double(time.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Image noise(int width, int height, uint32_t seed) {
  Image image{width, height, {}};
  image.rgb.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  std::mt19937 random(seed);
  for (uint8_t& byte : image.rgb) byte = static_cast<uint8_t>(random());
  return image;
}

/// One picture, again and again.
class Still final : public wan::VideoFrames {
 public:
  Still(Image image, int64_t count) : image_(std::move(image)), left_(count) {
    facts_.width = image_.width;
    facts_.height = image_.height;
  }
  bool next(Image& frame) override {
    if (left_ == 0) return false;
    --left_;
    frame = image_;
    return true;
  }

 private:
  Image image_;
  int64_t left_;
};

}  // namespace

int main(int argc, char** argv) {
  const int width = argc > 3 ? std::atoi(argv[1]) : 1280, height = argc > 3 ? std::atoi(argv[2]) : 704;
  const int64_t frames = argc > 3 ? std::atoll(argv[3]) : 161;
  const Image a = noise(width, height, 1), b = noise(width, height, 2);
  double kept = 0;  // so that no result is left out
  const double psnr_s = seconds_of([&] { kept += wan::mean_squared_error(a.rgb, b.rgb); });
  const double ssim_s = seconds_of([&] { kept += *wan::similarity(a, b).ssim.value; });
  const double flip_s = seconds_of([&] { kept += wan::Flip().mean_error(a, b); });
  std::printf("one frame %dx%d: PSNR %.2f ms, SSIM and MS-SSIM %.1f ms, FLIP %.1f ms\n", width, height, 1e3 * psnr_s,
              1e3 * ssim_s, 1e3 * flip_s);
  Still video_a(a, frames), video_b(b, frames);
  const double before = core_seconds();
  const double all_s = seconds_of([&] { kept += double(wan::compare_videos(video_a, video_b).frames); });
  std::printf("%lld frames: %.1f s with %d threads, %.1f core-seconds\n", static_cast<long long>(frames), all_s,
              wan::worker_threads(), core_seconds() - before);
  return kept > 0 ? 0 : 1;
}
