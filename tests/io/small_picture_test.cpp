// Pictures for a page: small, a JPEG that our own decoder reads, and nothing but a PNG of a frame's size is read.
#include "io/small_picture.h"

#include <fstream>
#include <random>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "io/image.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

Image decoded(const std::string& jpeg) { return decode_image(std::as_bytes(std::span(jpeg)), "the picture"); }

class SmallPicture : public ::testing::Test {
 protected:
  template <class Value>
  std::filesystem::path picture(int width, int height, Value value) {
    Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
    for (uint8_t& byte : image.rgb) byte = static_cast<uint8_t>(value());
    write_png(folder_ / "a.png", image);
    return folder_ / "a.png";
  }

  void expect_refused(const std::string& why) {
    try {
      small_picture(folder_ / "a.png");
      ADD_FAILURE() << "not refused: " << why;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_THAT(error.what(), HasSubstr("a.png"));
      EXPECT_THAT(error.what(), HasSubstr(why));
    }
  }

  test::TemporaryFolder folder_;
};

TEST_F(SmallPicture, KeepsColoursAndProportions) {
  const Image small = decoded(small_picture(picture(1280, 704, [] { return 120; })));
  EXPECT_EQ(small.width, 640);
  EXPECT_EQ(small.height, 352);
  for (const uint8_t byte : small.rgb) ASSERT_NEAR(byte, 120, 2);
  EXPECT_EQ(decoded(small_picture(picture(48, 32, [] { return 120; }))).width, 48) << "never larger";
  EXPECT_EQ(decoded(small_picture(picture(3000, 1, [] { return 120; }))).height, 1);
}

TEST_F(SmallPicture, OfNoiseIsSmallToo) {
  std::mt19937 random(1);
  const std::string jpeg = small_picture(picture(1280, 704, [&] { return random(); }));
  EXPECT_LE(jpeg.size(), kSmallPictureBytes);
  EXPECT_EQ(decoded(jpeg).width, 640);
}

TEST_F(SmallPicture, ReadsNothingButPng) {
  const std::string jpeg = small_picture(picture(48, 32, [] { return 0; }));
  std::ofstream(folder_ / "a.png") << jpeg;
  expect_refused("not a PNG");
  std::ofstream(folder_ / "a.png") << "text";
  expect_refused("not a PNG");
}

TEST_F(SmallPicture, RefusesMoreThanAFramesPixelsBeforeItDecodes) {
  const auto file = picture(48, 32, [] { return 0; });
  std::fstream png(file, std::ios::in | std::ios::out | std::ios::binary);
  png.seekp(16);
  png.write("\0\0\x20\0\0\0\x20\0", 8);  // 8192 x 8192; the checksum is wrong then, which is not looked at
  png.close();
  expect_refused("67108864 pixels, at most 16777216");
  std::ofstream(file, std::ios::binary) << std::string("\x89PNG\r\n\x1a\n\0\0", 10);
  expect_refused("a.png");
}

}  // namespace
}  // namespace wan
