#include "suite/bounded_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan::suite {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BoundedLines, CutsAStreamHoweverItComes) {
  BoundedLines lines({});
  EXPECT_THAT(lines.take("one\ntw"), ElementsAre("one"));
  EXPECT_THAT(lines.take(""), IsEmpty());
  EXPECT_THAT(lines.take("o\n\nthree"), ElementsAre("two", ""));
  EXPECT_THAT(lines.take("\n"), ElementsAre("three"));
  EXPECT_EQ(lines.left_out(), "");
}

TEST(BoundedLines, ALineTooLongCostsItselfAlone) {
  BoundedLines lines({.line_bytes = 4});
  EXPECT_THAT(lines.take("1234\n12345\n12\n"), ElementsAre("1234", "12"));
  EXPECT_THAT(lines.take("123"), IsEmpty());
  EXPECT_THAT(lines.take("45"), IsEmpty());
  EXPECT_THAT(lines.take("6\n7\n"), ElementsAre("7"));
  EXPECT_EQ(lines.left_out(), "2 lines of more than 4 bytes");
}

TEST(BoundedLines, ALineWithoutAnEndIsSaidAlthoughItNeverEnded) {
  BoundedLines lines({.line_bytes = 1000});
  for (int i = 0; i < 100; ++i) EXPECT_THAT(lines.take(std::string(100, '\0')), IsEmpty());
  EXPECT_EQ(lines.left_out(), "1 lines of more than 1000 bytes");
}

TEST(BoundedLines, NoMoreLinesThanTheLimit) {
  BoundedLines lines({.lines = 2});
  EXPECT_THAT(lines.take("a\nb\nc\nd"), ElementsAre("a", "b"));
  EXPECT_THAT(lines.take("\n"), IsEmpty());
  EXPECT_EQ(lines.left_out(), "2 lines after the first 2, of 2 bytes");
}

/// A short line behind one that did not fit would be out of its place.
TEST(BoundedLines, NoMoreBytesThanTheLimitAndNothingBehindThem) {
  BoundedLines lines({.bytes = 5});
  EXPECT_THAT(lines.take("abc\nabc\na\n"), ElementsAre("abc"));
  EXPECT_EQ(lines.left_out(), "2 lines after the first 1, of 3 bytes");
}

}  // namespace
}  // namespace wan::suite
