// Each metric against what other implementations say of the same pictures (tools/make_fidelity_fixtures.py), and on
// pictures whose values are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "fidelity/flip.h"
#include "fidelity/psnr.h"
#include "fidelity/ssim.h"
#include "io/image.h"
#include "pictures.h"

namespace wan {
namespace {

using test::grey;
using test::with_noise;

constexpr double kAgreement = 1e-4;

TEST(Metrics, AreThoseOfOtherImplementations) {
  const std::filesystem::path folder = std::filesystem::path(WAN_FIXTURES) / "units/fidelity";
  const auto cases = nlohmann::json::parse(read_text(folder / "expected.json"));
  ASSERT_EQ(cases.size(), 6u);
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.at("b").get<std::string>());
    const Image a = read_image(folder / expected.at("a").get<std::string>());
    const Image b = read_image(folder / expected.at("b").get<std::string>());
    EXPECT_NEAR(psnr_of(mean_squared_error(a.rgb, b.rgb)).value.value_or(-1), expected.at("psnr").get<double>(),
                kAgreement);
    const Similarity found = similarity(a, b);
    EXPECT_NEAR(found.ssim.value.value_or(-2), expected.at("ssim").get<double>(), kAgreement);
    EXPECT_EQ(found.ms_ssim.value.has_value(), !expected.at("ms_ssim").is_null());
    if (found.ms_ssim.value) {
      EXPECT_NEAR(*found.ms_ssim.value, expected.at("ms_ssim").get<double>(), kAgreement);
    }
    EXPECT_NEAR(Flip().mean_error(a, b), expected.at("flip").get<double>(), kAgreement);
  }
}

TEST(Metrics, OfAPictureAndItselfSayNoDifference) {
  const Image image = with_noise(grey(200, 180, 90), 30, 3);
  EXPECT_EQ(psnr_of(mean_squared_error(image.rgb, image.rgb)), no_score(kIdentical));
  EXPECT_EQ(similarity(image, image).ssim, scored(1));
  EXPECT_EQ(similarity(image, image).ms_ssim, scored(1));
  EXPECT_EQ(Flip().mean_error(image, image), 0);
}

/// 255^2 over the variance, and 1/12 that rounding to bytes adds.
TEST(Psnr, FindsNoiseOfKnownVariance) {
  const Image flat = grey(512, 512, 128);
  for (const double sigma : {2.0, 8.0, 20.0}) {
    const double found = mean_squared_error(flat.rgb, with_noise(flat, sigma, 5).rgb);
    EXPECT_NEAR(found / (sigma * sigma + 1.0 / 12), 1, 0.01) << sigma;
  }
}

TEST(Psnr, IsTheSameWhateverTheSign) {
  const Image dark = grey(100, 100, 0), light = grey(100, 100, 255);
  EXPECT_EQ(mean_squared_error(dark.rgb, light.rgb), 255.0 * 255);
  EXPECT_EQ(mean_squared_error(light.rgb, dark.rgb), 255.0 * 255);
  EXPECT_EQ(psnr_of(255.0 * 255), scored(0));
}

/// The largest change there is, over more bytes than 32 bits could add up.
TEST(Psnr, ChangesOfTwoVideosAreCompared) {
  const Image dark = grey(200, 200, 0), light = grey(200, 200, 255);
  EXPECT_EQ(mean_squared_change(dark.rgb, light.rgb, light.rgb, dark.rgb), 510.0 * 510);
  EXPECT_EQ(mean_squared_change(dark.rgb, dark.rgb, light.rgb, light.rgb), 0) << "another picture, no flicker";
}

TEST(Ssim, OfPicturesSmallerThanItsWindowSaysSo) {
  const Similarity found = similarity(grey(64, 10, 3), grey(64, 10, 4));
  EXPECT_EQ(found.ssim, no_score("smaller_than_11_pixels"));
  EXPECT_EQ(found.ms_ssim, no_score("smaller_than_176_pixels"));
  EXPECT_TRUE(similarity(grey(11, 11, 3), grey(11, 11, 4)).ssim.value);
}

TEST(Ssim, FiveScalesNeed176Pixels) {
  EXPECT_FALSE(similarity(grey(175, 400, 3), grey(175, 400, 9)).ms_ssim.value);
  EXPECT_TRUE(similarity(grey(176, 177, 3), grey(176, 177, 9)).ms_ssim.value);
}

/// Of flat pictures only luminance differs: (2 a b + C1) / (a^2 + b^2 + C1).
TEST(Ssim, OfFlatPicturesIsTheirLuminances) {
  const double c1 = 2.55 * 2.55, a = 50, b = 90;
  EXPECT_NEAR(similarity(grey(30, 20, 50), grey(30, 20, 90)).ssim.value.value_or(-1),
              (2 * a * b + c1) / (a * a + b * b + c1), 1e-9);
}

TEST(Ssim, OfOppositePicturesIsNegativeAndOverScalesZero) {
  const Image image = with_noise(grey(200, 180, 128), 40, 3);
  Image opposite = image;
  for (uint8_t& byte : opposite.rgb) byte = static_cast<uint8_t>(255 - byte);
  const Similarity found = similarity(image, opposite);
  EXPECT_LT(found.ssim.value.value_or(1), -0.5);
  EXPECT_EQ(found.ms_ssim, scored(0));
}

/// What a viewer nearer to the screen sees, one farther away does not.
TEST(Flip, SeesLessFromFartherAway) {
  const Image flat = grey(120, 100, 128), noisy = with_noise(flat, 12, 9);
  const double near = Flip(40).mean_error(flat, noisy), far = Flip(120).mean_error(flat, noisy);
  EXPECT_GT(near, 1.5 * far);
  EXPECT_GT(far, 0);
}

}  // namespace
}  // namespace wan
