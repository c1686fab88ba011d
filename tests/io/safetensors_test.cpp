// Hostile and damaged safetensors files and indexes: each must be refused with a message, none may crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "builders.h"
#include "io/tensor_file.h"

namespace wan {
namespace {

using test::little;
using test::open_refusal;
using test::safetensors;
using ::testing::HasSubstr;

std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

std::string refusal_of(const std::string& header, size_t data_bytes) {
  return open_refusal(safetensors(header, std::string(data_bytes, 'x')));
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole =
      safetensors("{" + entry("a", "[2]", "[0,8]") + "," + entry("b", "[1]", "[8,12]") + "}", std::string(12, 'x'));
  for (size_t length = 0; length < whole.size(); ++length) open_refusal(whole.substr(0, length));
  const test::TemporaryFolder folder;
  test::write_file(folder / "whole", whole);
  EXPECT_EQ(TensorFile::open(folder / "whole").tensors().size(), 2u);
}

TEST(Safetensors, HeaderLengthIsBoundedByTheFile) {
  EXPECT_THAT(open_refusal(little(1000, 8) + "{}"), HasSubstr("truncated"));
  EXPECT_THAT(open_refusal(little(UINT64_MAX, 8) + "{}"), HasSubstr("neither"));
  EXPECT_THAT(open_refusal(little(UINT64_MAX - 7, 8) + "{}"), HasSubstr("neither"));
}

TEST(Safetensors, OffsetsMustTileTheData) {
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[0,8]") + "}", 7), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[0,8]") + "}", 9), HasSubstr("end at byte 8"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[0,8]") + "," + entry("b", "[2]", "[4,12]") + "}", 12),
              HasSubstr("'b' begins at byte 4"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[0,8]") + "," + entry("b", "[2]", "[0,8]") + "}", 8),
              HasSubstr("begins at byte 0"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1]", "[4,8]") + "}", 8), HasSubstr("begins at byte 4"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[8,0]") + "}", 8), HasSubstr("backwards"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[18446744073709551608,18446744073709551615]") + "}", 8),
              HasSubstr("needs 8 bytes"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[2]", "[18446744073709551600,18446744073709551608]") + "}", 8),
              HasSubstr("truncated"));
}

TEST(Safetensors, SizeMustAgreeWithShape) {
  EXPECT_THAT(refusal_of("{" + entry("a", "[3]", "[0,8]") + "}", 8), HasSubstr("needs 12 bytes"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[4294967296,4294967296]", "[0,8]") + "}", 8), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[4611686018427387904,4]", "[0,0]") + "}", 0), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[0,9223372036854775807,9223372036854775807]", "[0,0]") + "}", 0),
              HasSubstr("overflows"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[18446744073709551615]", "[0,4]", "U8") + "}", 4), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1,1,1,1,1,1,1]", "[0,4]") + "}", 4), HasSubstr("6 axes"));
}

TEST(Safetensors, MalformedEntriesAreRefused) {
  EXPECT_THAT(refusal_of(R"({"a":{"dtype":"F32","shape":[1]}})", 4), HasSubstr("needs dtype, shape and data_offsets"));
  EXPECT_THAT(refusal_of(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4), HasSubstr("needs dtype"));
  EXPECT_THAT(refusal_of(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
              HasSubstr("a string"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1]", "[0,4]", "F7") + "}", 4), HasSubstr("'F7' is not supported"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[-1]", "[0,4]") + "}", 4), HasSubstr("negative"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1.5]", "[0,4]") + "}", 4), HasSubstr("1.5"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1e999]", "[0,4]") + "}", 4), HasSubstr("JSON"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1]", "[0,4,8]") + "}", 4), HasSubstr("a number"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1]", "[0]") + "}", 4), HasSubstr("two numbers"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[[1]]", "[0,4]") + "}", 4), HasSubstr("an array"));
  EXPECT_THAT(refusal_of(R"({"a":[1]})", 4), HasSubstr("an array"));
  EXPECT_THAT(refusal_of(R"({"a":null})", 4), HasSubstr("null"));
  EXPECT_THAT(refusal_of(R"({"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4), HasSubstr("without a name"));
  EXPECT_THAT(refusal_of("{" + entry("a", "[1]", "[0,4]") + "}}", 4), HasSubstr("JSON"));
  EXPECT_THAT(refusal_of(R"({"__metadata__":{"a":1}})", 0), HasSubstr("a number"));
  EXPECT_THAT(refusal_of(R"({"__metadata__":{},"__metadata__":{}})", 0), HasSubstr("twice"));
}

TEST(Safetensors, DuplicateNamesAreRefused) {
  EXPECT_THAT(refusal_of("{" + entry("a", "[1]", "[0,4]") + "," + entry("a", "[1]", "[4,8]") + "}", 8),
              HasSubstr("'a' is there twice"));
}

TEST(Safetensors, DeepNestingIsRefusedAtOnce) {
  std::string nested(1 << 20, '[');
  nested[0] = '{';
  EXPECT_THAT(refusal_of(nested, 0), HasSubstr("JSON"));
  EXPECT_THAT(refusal_of("{\"a\":" + nested, 0), HasSubstr("JSON"));
  EXPECT_THAT(open_refusal("{\"metadata\":" + std::string(1 << 20, '[')), HasSubstr("deep"));
}

TEST(Safetensors, EmptyTensorsAndScalarsAreRead) {
  const test::TemporaryFolder folder;
  const std::string header = "{" + entry("e", "[0,5]", "[0,0]") + "," + entry("f", "[3,0]", "[4,4]") + "," +
                             entry("s", "[]", "[0,4]") + "}   ";
  test::write_file(folder / "f", safetensors(header, test::raw<float>({2.5f})));
  const TensorFile file = TensorFile::open(folder / "f");
  EXPECT_EQ(file.at("e").shape.count(), 0);
  EXPECT_EQ(file.at("f").shape, (Shape{3, 0}));
  EXPECT_EQ(file.at("s").shape.rank(), 0);
  EXPECT_EQ(file.view("s").as<float>()[0], 2.5f);
  test::write_file(folder / "none", safetensors("{}", ""));
  EXPECT_TRUE(TensorFile::open(folder / "none").tensors().empty());
}

TEST(Safetensors, EveryElementTypeIsRead) {
  const test::TemporaryFolder folder;
  for (const DType dtype : {DType::kF8E4M3, DType::kF8E5M2, DType::kF8E8M0, DType::kI8, DType::kU8}) {
    const std::string header = "{" + entry("t", "[3]", "[0,3]", std::string(name_of(dtype))) + "," +
                               entry("marker", "[0]", "[3,3]", std::string(name_of(dtype))) + "}";
    test::write_file(folder / "f", safetensors(header, "abc"));
    const TensorFile file = TensorFile::open(folder / "f");
    EXPECT_EQ(file.at("t").dtype, dtype);
    EXPECT_EQ(file.at("marker").bytes(), 0u);
    EXPECT_EQ(file.format(), "safetensors");
  }
}

class Index : public ::testing::Test {
 protected:
  Index() {
    test::write_file(folder_ / "one.safetensors",
                     safetensors("{" + entry("a", "[1]", "[0,4]") + "}", test::raw<float>({1.0f})));
    test::write_file(folder_ / "two.safetensors",
                     safetensors("{" + entry("b", "[1]", "[0,4]") + "}", test::raw<float>({2.0f})));
  }
  TensorFile open(const std::string& index) const {
    test::write_file(folder_ / "index.json", index);
    return TensorFile::open(folder_ / "index.json");
  }
  std::string refused(const std::string& index) const {
    return test::refusal([&] { open(index); });
  }

  test::TemporaryFolder folder_;
};

TEST_F(Index, ReadsItsShards) {
  const TensorFile file = open(
      R"({"metadata":{"total_size":8,"x":[1,{"y":null}]},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  EXPECT_EQ(file.view("a").as<float>()[0], 1.0f);
  EXPECT_EQ(file.view("b").as<float>()[0], 2.0f);
}

TEST_F(Index, AByteOrderMarkBeforeItIsPassedOver) {
  const TensorFile file = open(
      "\xEF\xBB\xBF"
      R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_EQ(file.view("a").as<float>()[0], 1.0f);
}

TEST_F(Index, AShardThatWasNotFetchedIsNamed) {
  test::write_file(folder_ / "three.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n");
  const std::string message = refused(R"({"weight_map":{"a":"one.safetensors","c":"three.safetensors"}})");
  EXPECT_THAT(message, HasSubstr("three.safetensors"));
  EXPECT_THAT(message, HasSubstr("git lfs pull"));
}

TEST_F(Index, BrokenPromisesNameTensorAndShard) {
  const std::string message = refused(R"({"weight_map":{"a":"one.safetensors","c":"two.safetensors"}})");
  EXPECT_THAT(message, HasSubstr("'c'"));
  EXPECT_THAT(message, HasSubstr("two.safetensors"));
  EXPECT_THAT(refused(R"({"weight_map":{"a":"two.safetensors","b":"two.safetensors"}})"),
              HasSubstr("'a' in two.safetensors"));
  EXPECT_THAT(refused(R"({"weight_map":{"a":"three.safetensors"}})"), HasSubstr("three.safetensors"));
}

TEST_F(Index, ATensorInTwoShardsIsRefused) {
  std::filesystem::copy_file(folder_ / "one.safetensors", folder_ / "copy.safetensors");
  const std::string message = refused(R"({"weight_map":{"a":"one.safetensors","a":"copy.safetensors"}})");
  EXPECT_THAT(message, HasSubstr("twice"));
  EXPECT_THAT(message, HasSubstr("copy.safetensors"));
}

TEST_F(Index, ShardsOutsideTheFolderAreRefused) {
  for (const char* shard :
       {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "a\\\\b", "one.safetensors\\u0000"})
    EXPECT_THAT(refused(std::string(R"({"weight_map":{"a":")") + shard + "\"}}"), HasSubstr("own folder")) << shard;
}

TEST_F(Index, OtherJsonIsRefused) {
  for (const char* text : {"{}", R"({"weight_map":{}})", R"({"weight_map":[]})", R"({"weight_map":"one.safetensors"})",
                           R"({"weight_map":{"a":1}})", R"({"weight_map":{"a":{"b":"one.safetensors"}}})",
                           R"({"weight_map":{"a":"one.safetensors"},"weight_map":{}})",
                           R"({"weight_map":{"a":"one.safetensors")", R"({"a":)", "{\"\xff\":1}"})
    EXPECT_FALSE(refused(text).empty()) << text;
}

TEST_F(Index, AnIndexNamingItselfIsRefused) { EXPECT_FALSE(refused(R"({"weight_map":{"a":"index.json"}})").empty()); }

}  // namespace
}  // namespace wan
