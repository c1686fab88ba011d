// Pictures turned upright by what their files say, and files that say nothing that can be read.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "io/image.h"
#include "io/image_codecs.h"
#include "io/orientation.h"
#include "temporary_folder.h"

namespace wan {
namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

std::string number(uint32_t value, int count, bool little) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>(value >> (8 * (little ? i : count - 1 - i)));
  return text;
}

/// EXIF with another entry before the orientation.
std::string tiff(uint32_t orientation, bool little) {
  const auto two = [&](uint32_t value) { return number(value, 2, little); };
  const auto four = [&](uint32_t value) { return number(value, 4, little); };
  return (little ? "II" : "MM") + two(42) + four(8) + two(2) + two(0x0100) + two(3) + four(1) + two(7) + two(0) +
         two(0x0112) + two(3) + four(1) + two(orientation) + two(0) + four(0);
}

std::string jpeg(const std::string& exif) {
  const std::string segment = std::string("Exif\0\0", 6) + exif;
  const std::string picture = encode_jpeg({8, 8, std::vector<uint8_t>(8 * 8 * 3, 90)}, 90);
  return picture.substr(0, 2) + "\xff\xe1" + number(static_cast<uint32_t>(segment.size()) + 2, 2, false) + segment +
         picture.substr(2);
}

TEST(Orientation, JpegAndPngSayIt) {
  const test::TemporaryFolder folder;
  write_png(folder / "a.png", Image{2, 1, {1, 2, 3, 4, 5, 6}});
  const std::string png = read_text(folder / "a.png");
  for (uint32_t orientation = 1; orientation <= 8; ++orientation)
    for (const bool little : {false, true}) {
      const std::string exif = tiff(orientation, little);
      EXPECT_EQ(exif_orientation(bytes(jpeg(exif))), static_cast<int>(orientation));
      const size_t behind_header = 8 + 25;
      const std::string chunk = number(static_cast<uint32_t>(exif.size()), 4, false) + "eXIf" + exif + "crc.";
      EXPECT_EQ(exif_orientation(bytes(png.substr(0, behind_header) + chunk + png.substr(behind_header))),
                static_cast<int>(orientation));
    }
  EXPECT_EQ(exif_orientation(bytes(png)), 1);
}

TEST(Orientation, WhatCannotBeReadIsUpright) {
  for (const uint32_t wrong : {0u, 9u, 65535u}) EXPECT_EQ(exif_orientation(bytes(jpeg(tiff(wrong, true)))), 1) << wrong;
  const std::string whole = jpeg(tiff(6, true));
  const size_t said = whole.find("Exif") + 6 + tiff(6, true).size();
  for (size_t length = 0; length + 4 < said; ++length)
    EXPECT_EQ(exif_orientation(bytes(whole.substr(0, length))), 1) << length;
  std::string far = jpeg(tiff(6, true));
  far.replace(far.find("II") + 4, 4, "\xff\xff\xff\xff");  // the directory behind the end
  EXPECT_EQ(exif_orientation(bytes(far)), 1);
  EXPECT_EQ(exif_orientation(bytes("no picture")), 1);
}

// A 3 x 2 picture of the numbers 0 to 5, turned as EXIF's eight ways say.
TEST(Orientation, PicturesAreTurnedUpright) {
  Image image{3, 2, {}};
  for (uint8_t i = 0; i < 6; ++i) image.rgb.insert(image.rgb.end(), 3, i);
  const std::vector<std::vector<uint8_t>> expected{{0, 1, 2, 3, 4, 5}, {2, 1, 0, 5, 4, 3}, {5, 4, 3, 2, 1, 0},
                                                   {3, 4, 5, 0, 1, 2}, {0, 3, 1, 4, 2, 5}, {3, 0, 4, 1, 5, 2},
                                                   {5, 2, 4, 1, 3, 0}, {2, 5, 1, 4, 0, 3}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image turned = turned_upright(image, orientation);
    EXPECT_EQ(turned.width, orientation < 5 ? 3 : 2);
    EXPECT_EQ(turned.height, orientation < 5 ? 2 : 3);
    for (size_t i = 0; i < 6; ++i)
      EXPECT_EQ(turned.rgb[3 * i], expected[static_cast<size_t>(orientation - 1)][i]) << orientation << ' ' << i;
  }
}

}  // namespace
}  // namespace wan
