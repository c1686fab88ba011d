// Patches and pixel blocks on every backend.
#include <algorithm>

#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

using Values = std::vector<double>;
size_t at(int64_t i) { return static_cast<size_t>(i); }

struct LatentCase {
  const char* name;
  int64_t channels, frames, height, width;
  int64_t pad = 0;
};
void PrintTo(const LatentCase& c, std::ostream* out) { *out << c.name; }

constexpr LatentCase kLatents[] = {{"one_patch", 1, 1, 2, 2},
                                   {"ti2v", 48, 2, 4, 6},
                                   {"a14b", 16, 3, 6, 4},
                                   {"i2v", 36, 1, 6, 10},
                                   {"strided_rows", 5, 2, 4, 4, 7}};

using Patches = OnBackendWith<LatentCase>;

/// Element (c, t, y, x) for every row (t, y / 2, x / 2): column (c, p, q), or (p, q, c).
Values to_rows(const Values& latent, const LatentCase& c, bool channel_first) {
  Values rows(latent.size());
  for (int64_t i = 0; i < static_cast<int64_t>(latent.size()); ++i) {
    const int64_t x = i % c.width, y = i / c.width % c.height, t = i / c.width / c.height % c.frames;
    const int64_t channel = i / c.width / c.height / c.frames, p = y % 2, q = x % 2;
    const int64_t row = (t * (c.height / 2) + y / 2) * (c.width / 2) + x / 2;
    const int64_t column = channel_first ? (channel * 2 + p) * 2 + q : (p * 2 + q) * c.channels + channel;
    rows[at(row * 4 * c.channels + column)] = latent[at(i)];
  }
  return rows;
}

TEST_P(Patches, Patchify) {
  const LatentCase& c = param();
  Bench bench(backend(), c.name);
  const Operand x = bench.normal(DType::kF32, {c.channels, c.frames, c.height, c.width});
  const Operand y = bench.blank(dtype(), {c.frames * c.height / 2 * c.width / 2, 4 * c.channels}, c.pad);
  backend().patchify(x, y);
  EXPECT_TRUE(bench.matches(y, reference::exact(to_rows(x.values, c, true))));
}

TEST_P(Patches, Unpatchify) {
  const LatentCase& c = param();
  Bench bench(backend(), c.name);
  const Shape latent{c.channels, c.frames, c.height, c.width};
  const Values values = bench.normal_values(latent.count());
  const Operand rows =
      bench.put(DType::kF32, {c.frames * c.height / 2 * c.width / 2, 4 * c.channels}, to_rows(values, c, false));
  const Operand y = bench.blank(DType::kF32, latent);
  backend().unpatchify(rows, y);
  EXPECT_TRUE(bench.matches(y, reference::exact(values)));
}

INSTANTIATE_TEST_SUITE_P(Ops, Patches, both_precisions(kLatents), CaseName());

struct PixelCase {
  const char* name;
  int64_t frames, height, width, patch;
};
void PrintTo(const PixelCase& c, std::ostream* out) { *out << c.name; }

constexpr PixelCase kPixels[] = {
    {"plain", 2, 5, 7, 1}, {"blocks", 2, 6, 10, 2}, {"one_block", 1, 2, 2, 2}, {"larger", 3, 32, 46, 2}};

using Pixels = OnBackendWith<PixelCase>;

/// Video [3, T, H, W] -> [T, H/p, W/p, 3 p p]: channel c p p + r p + s holds pixel (p y + s, p x + r).
Values to_channels(const Values& video, const PixelCase& c) {
  Values out;
  for (int64_t t = 0; t < c.frames; ++t)
    for (int64_t y = 0; y < c.height / c.patch; ++y)
      for (int64_t x = 0; x < c.width / c.patch; ++x)
        for (int64_t color = 0; color < 3; ++color)
          for (int64_t r = 0; r < c.patch; ++r)
            for (int64_t s = 0; s < c.patch; ++s)
              out.push_back(
                  video[at(((color * c.frames + t) * c.height + c.patch * y + s) * c.width + c.patch * x + r)]);
  return out;
}

Shape channels_shape(const PixelCase& c) {
  return {c.frames, c.height / c.patch, c.width / c.patch, 3 * c.patch * c.patch};
}

/// [3, F, H, W] values as frames [begin, begin + T) of a longer video, NaN elsewhere.
Values in_longer_video(const Values& video, const PixelCase& c, int64_t begin, int64_t frames, double elsewhere) {
  Values out(at(3 * frames * c.height * c.width), elsewhere);
  const int64_t picture = c.height * c.width;
  for (int64_t i = 0; i < static_cast<int64_t>(video.size()); ++i)
    out[at((i / picture / c.frames * frames + begin + i / picture % c.frames) * picture + i % picture)] = video[at(i)];
  return out;
}

TEST_P(Pixels, ToChannels) {
  const PixelCase& c = param();
  Bench bench(backend(), c.name);
  const Values video = bench.normal_values(3 * c.frames * c.height * c.width);
  const Operand longer =
      bench.put(DType::kF32, {3, c.frames + 3, c.height, c.width}, in_longer_video(video, c, 2, c.frames + 3, 0));
  const Operand x = bench.blank(dtype(), channels_shape(c));
  backend().pixels_to_channels(longer.view.slice(1, 2, 2 + c.frames), c.patch, x);
  Values kept = video;
  for (double& value : kept) value = rounded(value, DType::kF32);
  EXPECT_TRUE(bench.matches(x, reference::exact(to_channels(kept, c))));
}

TEST_P(Pixels, FromChannelsClampsAndWritesItsFramesOnly) {
  const PixelCase& c = param();
  Bench bench(backend(), c.name);
  Values video = bench.normal_values(3 * c.frames * c.height * c.width);
  for (double& value : video) value = rounded(value, dtype());
  const Operand x = bench.put(dtype(), channels_shape(c), to_channels(video, c));
  const Operand longer = bench.blank(DType::kF32, {3, c.frames + 2, c.height, c.width});
  backend().channels_to_pixels(x, c.patch, longer.view.slice(1, 1, 1 + c.frames));
  for (double& value : video) value = std::clamp(value, -1.0, 1.0);
  EXPECT_TRUE(bench.matches(longer, reference::exact(in_longer_video(video, c, 1, c.frames + 2, NAN))));
}

TEST_P(Pixels, ToBytesTruncates) {
  const PixelCase& c = param();
  Bench bench(backend(), c.name);
  Values video = bench.normal_values(3 * c.frames * c.height * c.width, {0, 0.7});
  for (double& value : video) value = rounded(value, dtype());
  const Operand x = bench.put(dtype(), channels_shape(c), to_channels(video, c));
  const Operand frames = bench.blank(DType::kU8, {c.frames, c.height, c.width, 3});
  backend().channels_to_rgb8(x, c.patch, frames);
  const Values got = bench.get(frames);
  for (int64_t i = 0; i < static_cast<int64_t>(video.size()); ++i) {
    const int64_t picture = c.height * c.width, color = i / picture / c.frames;
    const double level = (std::clamp(video[at(i)], -1.0, 1.0) + 1) / 2 * 255;
    // Float arithmetic may fall on the other side of a whole number that lies within 4 roundings.
    const double byte = got[at(i % (picture * c.frames) * 3 + color)];
    ASSERT_LE(byte, level + 4 * 255 * kFloatRoundoff) << i;
    ASSERT_GT(byte + 1, level - 4 * 255 * kFloatRoundoff) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Pixels, both_precisions(kPixels), CaseName());

TEST_F(OnBackend, BytesReachBothEnds) {
  Bench bench(backend(), "ends");
  const Operand x = bench.put(DType::kF32, {1, 1, 2, 3}, {-1, 1, 0, -7, 7, 0.999});
  const Operand frames = bench.blank(DType::kU8, {1, 1, 2, 3});
  backend().channels_to_rgb8(x, 1, frames);
  EXPECT_EQ(bench.get(frames), (Values{0, 255, 127, 0, 255, 254}));
}

}  // namespace
}  // namespace wan
