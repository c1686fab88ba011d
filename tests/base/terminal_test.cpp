// Text from outside on its way to a terminal.
#include "base/terminal.h"

#include <gtest/gtest.h>

#include <string>

namespace wan {
namespace {

TEST(Terminal, NothingThatSteersGetsThrough) {
  EXPECT_EQ(terminal_text("\x1b]0;owned\x07\nfaked row"), "\\x1b]0;owned\\x07\\x0afaked row");
  EXPECT_EQ(terminal_text("a\rb\tc\x7f"), "a\\x0db\\x09c\\x7f");
  EXPECT_EQ(terminal_text("\xc2\x9b"
                          "2J"),
            "\\x9b2J")
      << "C1's control sequence introducer";
  EXPECT_EQ(terminal_text("\xe2\x80\xae"
                          "4pm\xe2\x81\xa6"),
            "\\u202e4pm\\u2066")
      << "right-to-left override, isolate";
  EXPECT_EQ(terminal_text("a\xe2\x80\xa8z"), "a\\u2028z") << "line separator";
  EXPECT_EQ(terminal_text(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Terminal, OtherTextIsKept) {
  for (const char* text : {"a red star", "caf\xc3\xa9", "\xe4\xb8\xad\xe6\x96\x87", "\xf0\x9f\x98\x80", "\xd8\xb9", ""})
    EXPECT_EQ(terminal_text(text), text);
}

TEST(Terminal, BytesThatAreNoUtf8AreShownAsBytes) {
  EXPECT_EQ(terminal_text("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(terminal_text("\xc0\xaf"), "\\xc0\\xaf") << "an overlong slash";
  EXPECT_EQ(terminal_text("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "half of a surrogate pair";
  EXPECT_EQ(terminal_text("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "beyond U+10FFFF";
  EXPECT_EQ(terminal_text("\xe2\x28\xa1"), "\\xe2(\\xa1");
}

TEST(Terminal, FurtherLinesCannotPassForOurs) {
  EXPECT_EQ(terminal_lines("broken\nerror: faked\x1b[2J\n"), "broken\n  error: faked\\x1b[2J\n");
}

TEST(Terminal, TextsOfAFormatAreMadeFitAndItsOwnAreNot) {
  const std::string name = "n\x1b[1m";
  EXPECT_EQ(terminal_format("{}\n{:<4}|{:.1f}|{}", name, "ab", 2.0, Lines{"x\ny"}), "n\\x1b[1m\nab  |2.0|x\ny");
}

}  // namespace
}  // namespace wan
