// Values found in a tree are those of the text, and what is no JSON is refused.
#include "results/json_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json_parse.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

TEST(JsonTree, HasEveryKindOfValue) {
  const JsonTree tree = JsonTree::parse(
      R"({"a": [1, -2, 2.5, true, null, "x\n\u00e9"], "b": {"c": {}, "d": 18446744073709551615}, "e": []})", "memory");
  const JsonValue root = tree.root();
  ASSERT_TRUE(root.is_object());
  EXPECT_EQ(root.size(), 3u);
  const JsonValue list = *root.find("a");
  ASSERT_TRUE(list.is_array());
  ASSERT_EQ(list.size(), 6u);
  JsonValue value = list.first();
  EXPECT_EQ(value.unsigned_number(), 1u);
  EXPECT_EQ(value.number(), 1);
  value = value.next();
  EXPECT_EQ(value.signed_number(), -2);
  EXPECT_EQ(value.number(), -2);
  value = value.next();
  EXPECT_EQ(value.kind(), JsonKind::kNumber);
  EXPECT_EQ(value.number(), 2.5);
  value = value.next();
  EXPECT_TRUE(value.boolean());
  value = value.next();
  EXPECT_TRUE(value.is_null());
  value = value.next();
  EXPECT_EQ(value.text(), "x\n\u00e9");
  const JsonValue inner = *root.find("b");
  EXPECT_EQ(inner.key(), "b");
  EXPECT_EQ(inner.find("d")->unsigned_number(), UINT64_MAX);
  EXPECT_EQ(inner.find("c")->size(), 0u);
  EXPECT_FALSE(inner.find("x"));
  EXPECT_EQ(root.find("e")->size(), 0u) << "behind an object with values of its own";
  EXPECT_FALSE(list.find("a")) << "a list has no keys";
}

TEST(JsonTree, AScalarIsADocumentToo) { EXPECT_EQ(JsonTree::parse("7", "memory").root().unsigned_number(), 7u); }

TEST(JsonTree, TextThatIsNotJsonIsRefusedByName) {
  for (const char* text : {"", "{", "{\"a\": 1,}", "[1] 2", "\"\xff\"", "1e999", "nul"}) {
    try {
      JsonTree::parse(text, "file.json");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_THAT(error.what(), HasSubstr("file.json: not valid JSON")) << text;
    }
  }
}

TEST(JsonTree, DeepNestingIsRefusedAndWhatIsReadCanBeShown) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_THROW(JsonTree::parse(nested(1'000'000), "memory"), Error);
  const JsonTree tree = JsonTree::parse(nested(kMostJsonDepth), "memory");
  EXPECT_EQ(tree.root().excerpt(5), "[[[[[...");
}

TEST(JsonTree, ExcerptsAreJsonUpToTheLimit) {
  const JsonTree tree = JsonTree::parse(R"({"a": [1, -2, 0.5], "b": "\"q\""})", "memory");
  EXPECT_EQ(tree.root().excerpt(100), R"({"a":[1,-2,0.5],"b":"\"q\""})");
  EXPECT_EQ(tree.root().excerpt(6), R"({"a":[...)");
}

}  // namespace
}  // namespace wan
