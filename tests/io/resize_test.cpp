// The resizers against Pillow's and torch's own results, and the size rules of the official pipelines.
#include "io/resize.h"

#include <zlib.h>

#include <array>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

/// Deterministic, full of edges, every byte value.
Image pattern(int width, int height) {
  Image image{width, height, {}};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        image.rgb.push_back(static_cast<uint8_t>(x * 37 + y * 91 + c * 53 + (x * y) % 17 * 11));
  return image;
}

uint32_t checksum(const Image& image) {
  return static_cast<uint32_t>(crc32(0, image.rgb.data(), static_cast<uInt>(image.rgb.size())));
}

// Image.fromarray(pattern).resize(size, LANCZOS) by Pillow 13.0.0
constexpr std::array<uint8_t, 45> kShrunk = {101, 129, 146, 136, 140, 146, 131, 133, 133, 110, 109, 118, 67,  110, 165,
                                             125, 150, 114, 127, 125, 110, 136, 115, 115, 138, 115, 151, 92,  71,  127,
                                             112, 155, 146, 146, 118, 122, 107, 115, 131, 135, 85,  129, 176, 98,  153};
constexpr std::array<uint8_t, 168> kGrown = {
    0,   43,  88,  4,   54,  97,  31,  75,  131, 50,  94,  180, 62,  129, 215, 87,  179, 234, 141, 212, 255,
    173, 221, 255, 18,  66,  141, 27,  89,  168, 61,  139, 185, 100, 175, 144, 142, 156, 125, 161, 115, 161,
    126, 133, 211, 93,  159, 232, 77,  128, 188, 93,  147, 236, 131, 200, 239, 163, 255, 96,  223, 184, 22,
    243, 41,  79,  110, 43,  132, 5,   92,  151, 164, 238, 107, 205, 178, 143, 224, 113, 167, 141, 154, 108,
    122, 154, 107, 169, 96,  149, 130, 120, 84,  85,  155, 29,  162, 246, 26,  216, 151, 49,  228, 30,  94,
    95,  60,  124, 31,  120, 185, 96,  150, 215, 149, 196, 94,  165, 218, 6,   64,  129, 73,  101, 106, 117,
    140, 100, 148, 114, 156, 82,  132, 142, 71,  180, 76,  124, 130, 106, 118, 77,  151, 98,  0,   39,  125,
    13,  79,  188, 72,  168, 202, 136, 246, 49,  224, 166, 0,   255, 12,  46,  112, 27,  136, 0,   90,  174};
constexpr std::array<uint8_t, 273> kWide = {
    0,   52,  105, 26,  79,  132, 62,  115, 168, 91,  144, 191, 122, 172, 247, 152, 215, 229, 185, 238, 35,  236, 44,
    58,  62,  26,  101, 0,   82,  129, 60,  105, 158, 88,  141, 194, 115, 168, 221, 90,  143, 192, 125, 171, 255, 163,
    255, 111, 236, 146, 29,  179, 17,  107, 14,  93,  139, 75,  128, 181, 117, 163, 242, 149, 239, 77,  227, 110, 20,
    145, 1,   93,  1,   85,  131, 64,  113, 166, 176, 245, 30,  247, 80,  73,  114, 49,  123, 41,  125, 204, 125, 192,
    156, 179, 193, 1,   221, 18,  71,  46,  60,  123, 41,  116, 166, 142, 190, 243, 96,  149, 202, 14,  67,  120, 78,
    131, 184, 15,  68,  117, 66,  112, 196, 126, 218, 74,  216, 126, 10,  178, 13,  103, 28,  116, 163, 111, 164, 217,
    253, 59,  112, 119, 75,  128, 66,  189, 242, 193, 120, 173, 165, 0,   51,  9,   77,  130, 102, 155, 223, 189, 242,
    74,  77,  130, 57,  17,  70,  193, 141, 194, 147, 165, 217, 35,  70,  123, 176, 127, 206, 23,  242, 71,  33,  121,
    67,  153, 105, 79,  124, 185, 11,  64,  22,  90,  143, 208, 255, 46,  67,  113, 106, 63,  154, 236, 196, 100, 146,
    192, 52,  105, 132, 170, 223, 216, 13,  66,  59,  97,  150, 177, 37,  90,  136, 33,  86,  46,  166, 219, 176, 162,
    215, 236, 21,  74,  31,  80,  133, 101, 185, 231, 221, 77,  168, 230, 113, 23,  93,  183, 21,  9,   56,  134, 106,
    159, 212, 31,  78,  130, 75,  165, 218, 207, 83,  136, 196, 81,  134, 157, 182, 235, 253, 35,  88};

template <size_t N>
void expect_pixels(const Image& got, const std::array<uint8_t, N>& want) {
  ASSERT_EQ(got.rgb.size(), N);
  for (size_t i = 0; i < N; ++i) ASSERT_EQ(got.rgb[i], want[i]) << "byte " << i;
}

TEST(ResizeLanczos, IsPillowsBitForBit) {
  expect_pixels(resize_lanczos(pattern(11, 7), {5, 3}), kShrunk);
  expect_pixels(resize_lanczos(pattern(5, 4), {8, 7}), kGrown);
  expect_pixels(resize_lanczos(pattern(11, 7), {13, 7}), kWide);
  const Image large = pattern(301, 211);
  EXPECT_EQ(checksum(resize_lanczos(large, {128, 96})), 0x2fb41deau);
  EXPECT_EQ(checksum(resize_lanczos(large, {512, 300})), 0x656884b2u);
  EXPECT_EQ(checksum(resize_lanczos(large, {97, 333})), 0x8d3b4c79u);
}

TEST(ResizeLanczos, SameSizeChangesNothing) {
  EXPECT_EQ(resize_lanczos(pattern(11, 7), {11, 7}).rgb, pattern(11, 7).rgb);
}

TEST(ResizeLanczos, ImpossibleSizesAreRefused) {
  EXPECT_THROW(resize_lanczos(pattern(4, 4), {0, 4}), Error);
  EXPECT_THROW(resize_lanczos(pattern(4, 4), {4, kMaxImageSide + 1}), Error);
}

TEST(BestOutputSize, AgreesWithTheOfficialExamples) {
  constexpr int64_t kArea = 704 * 1280;
  EXPECT_EQ(best_output_size({1280, 704}, 32, kArea), (Size{1280, 704}));
  EXPECT_EQ(best_output_size({1920, 1080}, 32, kArea), (Size{1248, 704}));
  EXPECT_EQ(best_output_size({1024, 1024}, 32, kArea), (Size{960, 928}));
  EXPECT_EQ(best_output_size({720, 1280}, 32, kArea), (Size{704, 1248}));
}

TEST(BestOutputSize, UnequalSidesAreRefused) {
  EXPECT_THROW(best_output_size({16384, 1}, 32, 704 * 1280), Error);
  EXPECT_THROW(best_output_size({1, 16384}, 32, 704 * 1280), Error);
  EXPECT_THROW(best_output_size({64, 64}, 32, 31 * 31), Error);
}

/// As a model does whose sides are multiples of 32.
Image fitted(const Image& image, int64_t area) {
  return fit_covering(image, best_output_size({image.width, image.height}, 32, area));
}

TEST(FitCovering, ScalesAndCropsAsTheOfficialPipeline) {
  constexpr int64_t kArea = 160 * 128;
  const Image wide = fitted(pattern(301, 211), kArea);
  EXPECT_EQ(wide.width, 160);
  EXPECT_EQ(wide.height, 128);
  EXPECT_EQ(checksum(wide), 0xfeba6e0au);
  const Image tall = fitted(pattern(211, 301), kArea);
  EXPECT_EQ(tall.width, 128);
  EXPECT_EQ(tall.height, 160);
  EXPECT_EQ(checksum(tall), 0xf8540b22u);
}

TEST(CropToProportions, KeepsTheMiddle) {
  const Image tall = pattern(30, 50);
  const Image of_tall = crop_to_proportions(tall, {56, 38});  // 30 * 38 / 56 = 20.4 rows
  EXPECT_EQ(of_tall.width, 30);
  ASSERT_EQ(of_tall.height, 20);
  EXPECT_EQ(of_tall.rgb, std::vector<uint8_t>(tall.rgb.begin() + 15 * 90, tall.rgb.begin() + 35 * 90));
  const Image wide = pattern(9, 2);
  const Image of_wide = crop_to_proportions(wide, {700, 700});
  EXPECT_EQ(of_wide.width, 2);
  ASSERT_EQ(of_wide.height, 2);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(of_wide.rgb[i], wide.rgb[3 * 3 + i]);
    EXPECT_EQ(of_wide.rgb[6 + i], wide.rgb[(9 + 3) * 3 + i]);
  }
}

TEST(CropToProportions, KeepsAllWhereTheyAreTheSameAndOnePixelAtLeast) {
  EXPECT_EQ(crop_to_proportions(pattern(112, 76), {56, 38}).rgb, pattern(112, 76).rgb);
  const Image line = crop_to_proportions(pattern(9, 9), {1, kMaxImageSide});
  EXPECT_EQ(line.width, 1);
  EXPECT_EQ(line.height, 9);
  const Image flat = crop_to_proportions(pattern(9, 9), {kMaxImageSide, 1});
  EXPECT_EQ(flat.width, 9);
  EXPECT_EQ(flat.height, 1);
}

TEST(NearOutputSize, AgreesWithTheOfficialExamples) {
  EXPECT_EQ(near_output_size({1280, 720}, 16, 1280 * 720), (Size{1280, 720}));
  EXPECT_EQ(near_output_size({1280, 720}, 16, 832 * 480), (Size{832, 464}));
  EXPECT_THROW(near_output_size({16384, 1}, 16, 1280 * 720), Error);
}

TEST(ToPlanes, MapsBytesToMinusOneToOne) {
  const std::vector<float> planes = to_planes({2, 1, {0, 51, 255, 255, 102, 0}});
  const std::vector<float> want = {-1.0f, 1.0f, (0.2f - 0.5f) / 0.5f, (0.4f - 0.5f) / 0.5f, 1.0f, -1.0f};
  EXPECT_EQ(planes, want);
}

/// Cubic convolution (Keys 1981) with a = -0.75, written from its definition: a kernel of the distance, summed over all
/// taps in double.
double keys(double distance) {
  constexpr double kA = -0.75;
  const double x = std::abs(distance);
  if (x <= 1) return (kA + 2) * x * x * x - (kA + 3) * x * x + 1;
  if (x < 2) return kA * x * x * x - 5 * kA * x * x + 8 * kA * x - 4 * kA;
  return 0;
}

double bicubic_reference(const std::vector<float>& plane, Size from, double x, double y) {
  double sum = 0;
  for (int j = static_cast<int>(std::floor(y)) - 2; j <= std::floor(y) + 3; ++j)
    for (int i = static_cast<int>(std::floor(x)) - 2; i <= std::floor(x) + 3; ++i) {
      const int row = std::min(std::max(j, 0), from.height - 1);
      const int column = std::min(std::max(i, 0), from.width - 1);
      sum += keys(x - i) * keys(y - j) * static_cast<double>(plane[static_cast<size_t>(row * from.width + column)]);
    }
  return sum;
}

class ResizeBicubic : public ::testing::TestWithParam<std::pair<Size, Size>> {};

TEST_P(ResizeBicubic, MatchesTheDefinitionWithinRounding) {
  const auto [from, to] = GetParam();
  std::mt19937 generator(5);
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> planes(static_cast<size_t>(2 * from.width * from.height));
  for (float& value : planes) value = uniform(generator);
  const std::vector<float> got = resize_bicubic(planes, 2, from, to);
  ASSERT_EQ(got.size(), static_cast<size_t>(2 * to.width * to.height));
  // The source position is a float32 up to the side's length and so off by up to side * 2^-23 elements (two roundings);
  // the kernel's slope is below 2 per axis and the inner sums below 2 in magnitude; the weights and the two four-term
  // sums add 16 roundings of values below 2.
  const double bound = std::max(from.width, from.height) * 0x1p-23 * 2 * 2 * 2 + 16 * 2 * 0x1p-24;
  const std::vector<float> second(planes.begin() + from.width * from.height, planes.end());
  for (int y = 0; y < to.height; ++y)
    for (int x = 0; x < to.width; ++x) {
      const double source_x = (x + 0.5) * from.width / to.width - 0.5;
      const double source_y = (y + 0.5) * from.height / to.height - 0.5;
      const double want = bicubic_reference(second, from, source_x, source_y);
      ASSERT_NEAR(got[static_cast<size_t>((to.height + y) * to.width + x)], want, bound) << x << " " << y;
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ResizeBicubic,
                         ::testing::Values(std::pair(Size{13, 9}, Size{29, 17}), std::pair(Size{29, 17}, Size{8, 5}),
                                           std::pair(Size{7, 7}, Size{7, 7}), std::pair(Size{1, 2}, Size{5, 5}),
                                           std::pair(Size{200, 3}, Size{64, 4})));

TEST(ResizeBicubicEdges, DoesNotClampItsResult) {
  // a step overshoots on both sides under cubic convolution
  const std::vector<float> got = resize_bicubic(std::vector<float>{-1, -1, 1, 1}, 1, {4, 1}, {8, 1});
  EXPECT_LT(*std::min_element(got.begin(), got.end()), -1.0f);
  EXPECT_GT(*std::max_element(got.begin(), got.end()), 1.0f);
  EXPECT_THROW(resize_bicubic(std::vector<float>(3), 1, {2, 2}, {4, 4}), Error);
}

}  // namespace
}  // namespace wan
