// The picture of all steps, and how terminals are given it.
#include "cli/preview_strip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/generate_outputs.h"
#include "temporary_folder.h"

namespace wan::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

Preview step_of(int step, int64_t width, uint8_t value) {
  return {step, 3, width, 2, std::vector<uint8_t>(static_cast<size_t>(width) * 2 * 3, value)};
}

TEST(PreviewStrip, StepsStandBesideEachOtherAndThenBelow) {
  PreviewStrip strip;
  EXPECT_TRUE(strip.empty());
  for (int i = 0; i < 3; ++i) strip.preview(step_of(i, 400, static_cast<uint8_t>(10 + i)));
  const Image picture = strip.picture();
  EXPECT_EQ(picture.width, 800);
  EXPECT_EQ(picture.height, 4);
  const auto at = [&](int x, int y) { return picture.rgb[static_cast<size_t>(y * picture.width + x) * 3]; };
  EXPECT_EQ(at(399, 0), 10);
  EXPECT_EQ(at(400, 1), 11);
  EXPECT_EQ(at(0, 2), 12);
  EXPECT_EQ(at(799, 3), 255) << "nothing stands there";
}

TEST(PreviewStrip, KittyIsGivenTheFileInPieces) {
  const std::string png(5000, 'x'), text = kitty_text(png);
  EXPECT_THAT(text, StartsWith("\x1b_Ga=T,f=100,m=1;"));
  EXPECT_THAT(text, EndsWith("\x1b\\\n"));
  EXPECT_THAT(text, HasSubstr("\x1b\\\x1b_Gm=0;"));
  std::string sent;
  for (size_t at = text.find(';'); at != std::string::npos; at = text.find(';', at + 1))
    sent += text.substr(at + 1, text.find('\x1b', at) - at - 1);
  EXPECT_EQ(from_base64(sent), png);
}

TEST(PreviewStrip, SixelHasEachColourOfABandOnce) {
  Image picture;
  picture.width = 5;
  picture.height = 7;
  picture.rgb.assign(5 * 7 * 3, 255);
  for (int channel = 0; channel < 3; ++channel)
    picture.rgb[static_cast<size_t>(channel)] = 0;  // the first pixel is black
  const std::string text = sixel_text(picture);
  EXPECT_THAT(text, StartsWith("\x1bPq\"1;1;5;7"));
  // Six rows: black in the first of the first column, white (215) in the other five there and in all of four more; then
  // one row.
  EXPECT_THAT(text, EndsWith("#0@!4?$#215}!4~$-#215!5@$-\x1b\\\n"));
  EXPECT_THAT(text, HasSubstr("#215;2;100;100;100"));
}

TEST(PreviewStrip, WhatCannotBeWrittenIsRefusedBeforeWork) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(require_preview(folder / "a.jpg"), Error);
  require_preview(folder / "a.png");
  Request request;
  require_outputs(request, Existing::kRefused, folder / "a.png");
  write_atomically(folder / "a.png", "x");
  EXPECT_THROW(require_outputs(request, Existing::kRefused, folder / "a.png"), Error);
  require_outputs(request, Existing::kReplaced, folder / "a.png");
  request.image = folder / "a.png";
  EXPECT_THROW(require_outputs(request, Existing::kReplaced, folder / "a.png"), Error) << "an input is no output";
  request.image.clear();
  request.dump = folder / "a.png";
  EXPECT_THROW(require_outputs(request, Existing::kReplaced, folder / "a.png"), Error);
  request.dump.clear();
  std::filesystem::create_directory(folder / "b.png");
  EXPECT_THROW(require_outputs(request, Existing::kReplaced, folder / "b.png"), Error);
}

}  // namespace
}  // namespace wan::cli
