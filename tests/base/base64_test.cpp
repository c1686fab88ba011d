#include "base/base64.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace wan {
namespace {

// The vectors of RFC 4648, section 10, and bytes outside ASCII with both letters that are not alphanumeric.
TEST(Base64, WritesTheVectorsOfItsStandard) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64(std::string_view("\xfb\xef\xff\0", 4)), "++//AA==");
}

TEST(Base64, ReadsWhatItWritesAndNothingElse) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\x00\x7f"}) EXPECT_EQ(from_base64(to_base64(text)), text);
  for (const char* text : {"a", "ab", "abc", "a===", "ab=c", "=abc", "ab c", "ab==abcd", "ab\n=", "a-b_",
                           "Zh==", "ab==abcd", " abc", "abc ", "abcd\n   "})
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

}  // namespace
}  // namespace wan
