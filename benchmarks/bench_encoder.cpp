// What is left of H.264 encoding when the last frame has come, where frames come as a decoder makes them: for each of
// libx264's presets the tail, the file's size and how near its picture is. The content is a real video, enlarged, with
// grain: noise alone would be all that an encoder cannot do. Run it under `taskset` for fewer cores.
// Usage: bench_encoder VIDEO WIDTH HEIGHT FRAMES FRAMES_PER_SECOND [GRAIN [PRESET...]]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/threads.h"
#include "fidelity/psnr.h"
#include "io/resize.h"
#include "io/video_frames.h"
#include "io/video_writer.h"

namespace {

using wan::Image;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kDefaultGrain = 3;  // standard deviation, of 255 steps: that of fine film grain
constexpr int kRuns = 3;

struct Content {
  int width, height;
  double grain;
  std::vector<Image> frames;
};

/// Grain that moves from frame to frame: places in one field of random values, which is made once.
class Grain {
 public:
  explicit Grain(double deviation) : values_(size_t{1} << 22) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, static_cast<float>(deviation));
    for (float& value : values_) value = normal(random);
  }
  void begin_frame() { place_ = random_(); }
  float next() { return values_[place_++ % values_.size()]; }

 private:
  std::vector<float> values_;
  std::mt19937 random_{11};
  size_t place_ = 0;
};

Image enlarged(const Image& small, const Content& content, Grain& grain) {
  const std::vector<float> planes =
      wan::resize_bicubic(wan::to_planes(small), 3, {small.width, small.height}, {content.width, content.height});
  Image image{content.width, content.height, {}};
  const size_t pixels = static_cast<size_t>(content.width) * static_cast<size_t>(content.height);
  image.rgb.resize(pixels * 3);
  grain.begin_frame();
  for (size_t i = 0; i < pixels; ++i) {
    const float light = grain.next();  // the same in all colours, as of film
    for (size_t c = 0; c < 3; ++c)
      image.rgb[3 * i + c] =
          static_cast<uint8_t>(std::clamp((planes[c * pixels + i] + 1) * 127.5f + light + 0.5f, 0.0f, 255.0f));
  }
  return image;
}

/// There and back again until there are enough: a cut would be work of its own.
void fill(Content& content, const std::filesystem::path& video, size_t count) {
  std::vector<Image> small;
  const auto frames = wan::open_video_frames(video);
  for (Image frame; small.size() < count && frames->next(frame);) small.push_back(frame);
  Grain grain(content.grain);
  const size_t period = std::max<size_t>(2 * small.size() - 2, 1);
  for (size_t i = 0; i < count; ++i) {
    const size_t at = i % period;
    content.frames.push_back(enlarged(small[at < small.size() ? at : period - at], content, grain));
  }
}

struct Result {
  double tail = 0, behind = 0;  // seconds from the last frame's time to the finished file, and to its being taken
  uint64_t bytes = 0;
};

Result encode(const Content& content, const std::string& preset, double rate, const std::filesystem::path& file) {
  wan::VideoSettings settings;
  settings.width = content.width;
  settings.height = content.height;
  settings.preset = preset;
  wan::VideoWriter writer(file, settings);
  const auto begin = Clock::now();
  const auto due = [&](size_t i) {
    return begin + std::chrono::duration_cast<Clock::duration>(Seconds(static_cast<double>(i + 1) / rate));
  };
  for (size_t i = 0; i < content.frames.size(); ++i) {
    std::this_thread::sleep_until(due(i));
    writer.write(content.frames[i].rgb);
  }
  const auto last = due(content.frames.size() - 1), taken = Clock::now();
  writer.finish();
  return {Seconds(Clock::now() - last).count(), Seconds(taken - last).count(), std::filesystem::file_size(file)};
}

double mean_psnr(const Content& content, const std::filesystem::path& file) {
  const auto frames = wan::open_video_frames(file);
  double error = 0;
  Image frame;
  for (const Image& original : content.frames) {
    if (!frames->next(frame)) throw std::runtime_error("the file has fewer frames than were written");
    error += wan::mean_squared_error(original.rgb, frame.rgb);
  }
  return 10 * std::log10(255 * 255 / (error / static_cast<double>(content.frames.size())));
}

void run(const std::filesystem::path& video, Content content, size_t count, double rate,
         const std::vector<std::string>& presets) {
  fill(content, video, count);
  std::printf("%s, %dx%d, %zu frames at %.1f a second, grain %.1f, %d cores; %d runs, medians\n",
              video.filename().c_str(), content.width, content.height, count, rate, content.grain,
              wan::worker_threads(), kRuns);
  std::printf("%-10s %9s %9s %9s %11s %8s %9s\n", "preset", "tail, s", "least", "most", "of it late", "MB", "PSNR, dB");
  const std::filesystem::path file = std::filesystem::temp_directory_path() / "bench_encoder.mp4";
  for (const std::string& preset : presets) {
    std::vector<Result> results;
    for (int i = 0; i < kRuns; ++i) results.push_back(encode(content, preset, rate, file));
    std::ranges::sort(results, {}, &Result::tail);
    const Result& median = results[kRuns / 2];
    std::printf("%-10s %9.3f %9.3f %9.3f %11.3f %8.2f %9.2f\n", preset.c_str(), median.tail, results.front().tail,
                results.back().tail, median.behind, static_cast<double>(median.bytes) * 1e-6, mean_psnr(content, file));
    std::fflush(stdout);
  }
  std::filesystem::remove(file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fprintf(stderr, "usage: bench_encoder VIDEO WIDTH HEIGHT FRAMES FRAMES_PER_SECOND [GRAIN [PRESET...]]\n");
    return 2;
  }
  try {
    const double grain = argc > 6 ? std::atof(argv[6]) : kDefaultGrain;
    std::vector<std::string> presets(argv + std::min(argc, 7), argv + argc);
    if (presets.empty()) presets.assign(wan::kPresets.begin(), wan::kPresets.end());
    run(argv[1], {std::atoi(argv[2]), std::atoi(argv[3]), grain, {}}, static_cast<size_t>(std::atoi(argv[4])),
        std::atof(argv[5]), presets);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
