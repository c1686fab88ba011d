// What the reader takes, what it leaves alone, and the words of its refusals.
#include "base/json_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan {

enum class Fruit { kApple, kPear };
template <>
struct EnumNames<Fruit> {
  static constexpr std::array<std::pair<Fruit, std::string_view>, 2> kTable{
      {{Fruit::kApple, "apple"}, {Fruit::kPear, "pear"}}};
};

namespace {

using testing::HasSubstr;

/// The message of reading member "x" of `text` into a T.
template <class T, class... Limits>
std::string refusal(const char* text, const Limits&... limits) {
  const nlohmann::json json = nlohmann::json::parse(text);
  T value{};
  try {
    JsonReader(json, "file").read("x", value, limits...);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    return problem.what();
  }
  return "accepted";
}

TEST(JsonReader, TakesNoPathThatEndsBeforeItsText) {
  EXPECT_THAT(refusal<std::filesystem::path>(R"({"x": "a\u0000b"})"),
              HasSubstr("'x' must be a path, without a byte of zero"));
  EXPECT_EQ(refusal<std::filesystem::path>(R"({"x": "a b"})"), "accepted");
}

TEST(JsonReader, ReadsWhatIsThereAndLeavesTheRestAlone) {
  const nlohmann::json json = nlohmann::json::parse(
      R"({"text": "a", "path": "/p", "yes": true, "words": ["b", "c"], "whole": -3, "seed": 18446744073709551615,
          "number": 5, "fruit": "pear"})");
  std::string text = "old", other = "old";
  std::filesystem::path path;
  bool yes = false;
  std::vector<std::string> words;
  int whole = 0;
  uint64_t seed = 0;
  std::optional<double> number, absent;
  Fruit fruit = Fruit::kApple;
  JsonReader reader(json, "file");
  reader.read("text", text);
  reader.read("other", other);
  reader.read("path", path);
  reader.read("yes", yes);
  reader.read("words", words);
  reader.read("whole", whole);
  reader.read("seed", seed);
  reader.read("number", number);
  reader.read("absent", absent);
  EXPECT_THROW(reader.refuse_unknown(), Error) << "fruit was not asked for";
  reader.read("fruit", fruit);
  EXPECT_NO_THROW(reader.refuse_unknown());
  EXPECT_EQ(text, "a");
  EXPECT_EQ(other, "old");
  EXPECT_EQ(path, "/p");
  EXPECT_TRUE(yes);
  EXPECT_EQ(words.size(), 2u);
  EXPECT_EQ(whole, -3);
  EXPECT_EQ(seed, UINT64_MAX);
  EXPECT_EQ(number, 5.0);
  EXPECT_FALSE(absent);
  EXPECT_EQ(fruit, Fruit::kPear);
}

TEST(JsonReader, RefusesByName) {
  const Bounds<int> steps{1, 1000};
  EXPECT_EQ(refusal<int>(R"({"x": 4294967299})", steps),
            "file: field 'x' must be a whole number from 1 to 1000, found 4294967299");
  EXPECT_THAT(refusal<int>(R"({"x": 5.0})", steps), HasSubstr("found 5.0"));
  EXPECT_THAT(refusal<int>(R"({"x": "5"})", steps), HasSubstr("found \"5\""));
  EXPECT_THAT(refusal<uint64_t>(R"({"x": -1})"), HasSubstr("found -1"));
  EXPECT_THAT(refusal<uint64_t>(R"({"x": 18446744073709551616})"), HasSubstr("must be a whole number"));
  EXPECT_THAT(refusal<std::optional<double>>(R"({"x": null})"), HasSubstr("must be a number, found null"));
  EXPECT_THAT(refusal<Fruit>(R"({"x": "plum"})"), HasSubstr("must be one of apple, pear, found \"plum\""));
  EXPECT_THAT(refusal<std::string>(R"({"x": 1})"), HasSubstr("must be text"));
  EXPECT_THAT(refusal<std::filesystem::path>(R"({"x": 1})"), HasSubstr("must be a path"));
  EXPECT_THAT(refusal<bool>(R"({"x": 1})"), HasSubstr("must be true or false"));
  EXPECT_THAT(refusal<std::vector<std::string>>(R"({"x": ["a", 1]})"), HasSubstr("must be a list of texts"));
  EXPECT_THAT(refusal<std::string>("[]"), HasSubstr("file: must be an object"));
  EXPECT_EQ(refusal<std::string>(R"({"x": "a"})"), "accepted");
}

}  // namespace
}  // namespace wan
