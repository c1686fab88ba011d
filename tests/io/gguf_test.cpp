// Hostile and damaged GGUF files: each must be refused with a message, none may crash; what is whole is read.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"
#include "gguf_builder.h"
#include "io/tensor_file.h"

namespace wan {
namespace {

using test::gguf;
using test::gguf_array;
using test::gguf_string;
using test::gguf_text;
using test::gguf_u32;
using test::GgufSpec;
using test::GgufTensor;
using test::little;
using test::open_refusal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufTensor floats(const std::string& name, const std::vector<float>& values) {
  return {name, {static_cast<int64_t>(values.size())}, test::kGgufF32, test::raw(values)};
}

GgufSpec small() {
  GgufSpec spec;
  spec.keys = {gguf_string("general.architecture", "wan"), gguf_u32("general.file_type", 7),
               gguf_array("words", 8, 2, gguf_text("one") + gguf_text("")),
               gguf_array("scores", 6, 3, test::raw<float>({1, -2, 0.5f}))};
  spec.tensors = {floats("a", {1, 2, 3}), {"b", {2, 3}, test::kGgufF32, test::raw<float>({0, 1, 2, 3, 4, 5})}};
  return spec;
}

TensorFile opened(const GgufSpec& spec) {
  const test::TemporaryFolder folder;  // the mapping outlives the name
  test::write_file(folder / "file", gguf(spec));
  return TensorFile::open(folder / "file");
}

std::string refusal_of(const GgufSpec& spec) { return open_refusal(gguf(spec)); }

std::string refusal_of_tensor(const GgufTensor& tensor) {
  GgufSpec spec;
  spec.tensors = {tensor};
  return refusal_of(spec);
}

std::string refusal_of_keys(const std::vector<std::string>& keys) {
  GgufSpec spec = small();
  spec.keys = keys;
  return refusal_of(spec);
}

TEST(Gguf, MetadataAndTensorsAreRead) {
  for (uint32_t version : {2u, 3u}) {
    GgufSpec spec = small();
    spec.version = version;
    const TensorFile file = opened(spec);
    EXPECT_EQ(file.format(), "GGUF " + std::to_string(version));
    EXPECT_EQ(file.metadata().at("general.architecture"), "wan");
    EXPECT_EQ(file.metadata().at("general.file_type"), "7");
    EXPECT_THAT(file.strings("words"), ElementsAre("one", ""));
    EXPECT_THAT(file.numbers("scores"), ElementsAre(1, -2, 0.5));
    EXPECT_EQ(file.at("b").shape, (Shape{2, 3}));  // the file has 3, 2
    EXPECT_EQ(file.view("b").as<float>()[4], 4.0f);
    EXPECT_EQ(file.total_bytes(), 36u);
    EXPECT_THAT(test::refusal([&] { file.numbers("words"); }), HasSubstr("no array of numbers under the key 'words'"));
    EXPECT_THAT(test::refusal([&] { file.strings("none"); }), HasSubstr("'none'"));
  }
}

TEST(Gguf, ScalarsOfEveryTypeBecomeText) {
  const auto value = [](const char* key, uint32_t type, const std::string& bytes) {
    return gguf_text(key) + little(type, 4) + bytes;
  };
  GgufSpec spec;
  spec.keys = {value("u8", 0, "\xff"),
               value("i8", 1, "\xff"),
               value("i16", 3, little(0xfffe, 2)),
               value("i32", 5, little(0xfffffffd, 4)),
               value("f32", 6, test::raw<float>({0.25f})),
               value("bool", 7, "\x01"),
               value("u64", 10, little(UINT64_MAX, 8)),
               value("i64", 11, little(UINT64_MAX, 8)),
               value("f64", 12, test::raw<double>({-0.5}))};
  const auto file = opened(spec);
  const auto& found = file.metadata();
  EXPECT_EQ(found.at("u8") + found.at("i8") + found.at("i16") + found.at("i32"), "255-1-2-3");
  EXPECT_EQ(found.at("f32") + found.at("bool") + found.at("f64"), "0.25true-0.5");
  EXPECT_EQ(found.at("u64") + found.at("i64"), "18446744073709551615-1");
}

TEST(Gguf, EveryTruncationIsRefused) {
  const std::string whole = gguf(small());
  for (size_t length = 0; length < whole.size(); ++length) open_refusal(whole.substr(0, length));
}

TEST(Gguf, VersionsAndByteOrders) {
  GgufSpec spec = small();
  spec.version = 1;
  EXPECT_THAT(refusal_of(spec), HasSubstr("version 1"));
  spec.version = 4;
  EXPECT_THAT(refusal_of(spec), HasSubstr("version 4"));
  spec.version = 0x03000000;
  EXPECT_THAT(refusal_of(spec), HasSubstr("big-endian"));
}

TEST(Gguf, CountsAreBounded) {
  const std::string begin = "GGUF" + little(3, 4);
  EXPECT_THAT(open_refusal(begin + little(UINT64_MAX, 8) + little(0, 8)), HasSubstr("18446744073709551615 tensors"));
  EXPECT_THAT(open_refusal(begin + little(0, 8) + little(UINT64_MAX, 8)), HasSubstr("18446744073709551615 keys"));
  EXPECT_THAT(open_refusal(begin + little(1, 8) + little(0, 8)), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of_keys({little(UINT64_MAX, 8)}), HasSubstr("a key of 18446744073709551615 bytes"));
  EXPECT_THAT(refusal_of_keys({gguf_text("k") + little(8, 4) + little(UINT64_MAX - 4, 8)}), HasSubstr("a text of"));
  EXPECT_THAT(refusal_of_keys({gguf_array("k", 8, UINT64_MAX, "")}), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of_keys({gguf_array("k", 12, UINT64_MAX / 2, "")}), HasSubstr("entries"));
  EXPECT_THAT(refusal_of_keys({gguf_array("k", 12, UINT64_MAX / 16, "")}), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of_keys({gguf_array("k", 8, 1, little(UINT64_MAX, 8))}), HasSubstr("truncated"));
}

TEST(Gguf, KeysMustMakeSense) {
  EXPECT_THAT(refusal_of_keys({gguf_u32("k", 1), gguf_string("k", "x")}), HasSubstr("'k' is there twice"));
  EXPECT_THAT(refusal_of_keys({gguf_text("k") + little(13, 4)}), HasSubstr("of type 13"));
  EXPECT_THAT(refusal_of_keys({gguf_array("k", 99, 0, "")}), HasSubstr("of type 99"));
  std::string nested = little(0, 4) + little(0, 8);
  for (int depth = 0; depth < 8; ++depth) nested = little(9, 4) + little(1, 8) + nested;
  EXPECT_THAT(refusal_of_keys({gguf_array("k", 9, 1, nested)}), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal_of_keys({gguf_u32("split.count", 3)}), HasSubstr("one of 3 parts"));
  for (uint32_t wrong : {0u, 3u, 1u << 25})
    EXPECT_THAT(refusal_of_keys({gguf_u32("general.alignment", wrong)}), HasSubstr("general.alignment is"));
  EXPECT_THAT(refusal_of_keys({gguf_string("general.alignment", "\x1b[2J")}), ::testing::Not(HasSubstr("\x1b")));
}

TEST(Gguf, AlignmentOfTheFileHolds) {
  GgufSpec spec = small();
  spec.alignment = 256;
  EXPECT_NE(opened(spec).view("a").as<float>()[2], 3.0f);  // what the file does not say is 32
  spec.keys.push_back(gguf_u32("general.alignment", 256));
  EXPECT_EQ(opened(spec).view("a").as<float>()[2], 3.0f);
}

TEST(Gguf, TensorsMustBeWhatTheyClaim) {
  const std::string block(34, '\0');
  EXPECT_THAT(refusal_of_tensor({"t", {32}, 16, block}), HasSubstr("'t': its type 16 (IQ2_XXS)"));
  EXPECT_THAT(refusal_of_tensor({"t", {32}, 12345, block}), HasSubstr("12345"));
  EXPECT_THAT(refusal_of_tensor({"t", {31}, test::kGgufQ8_0, block}), HasSubstr("no multiple of Q8_0's 32"));
  EXPECT_THAT(refusal_of_tensor({"t", {}, test::kGgufQ8_0, block}), HasSubstr("no multiple"));
  EXPECT_THAT(refusal_of_tensor({"t", {64}, test::kGgufQ8_0, block}), HasSubstr("truncated"));
  EXPECT_THAT(refusal_of_tensor({"t", {1, 1, 1, 1, 1, 1}, test::kGgufF32, block}), HasSubstr("6 axes"));
  EXPECT_THAT(refusal_of_tensor({"t", {INT64_MAX, 4}, test::kGgufF32, block}), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of_tensor({"t", {INT64_MAX / 32, 32}, test::kGgufQ8_0, block}), HasSubstr("overflows"));
  EXPECT_THAT(refusal_of_tensor({"", {1}, test::kGgufF32, block}), HasSubstr("without a name"));
  EXPECT_THAT(refusal_of_tensor({"t", {1}, test::kGgufF32, block, 4}), HasSubstr("no multiple of 32"));
  EXPECT_THAT(refusal_of_tensor({"t", {1}, test::kGgufF32, block, INT64_MAX}), HasSubstr("beyond the file"));
}

TEST(Gguf, TensorsMustNotOverlapOrRepeat) {
  GgufSpec spec = small();
  spec.tensors[1].claimed_offset = 0;
  EXPECT_THAT(refusal_of(spec), HasSubstr("within the tensor before it"));
  spec = small();
  spec.tensors[1].name = "a";
  EXPECT_THAT(refusal_of(spec), HasSubstr("'a' is there twice"));
}

TEST(Gguf, OriginalShapesAreTaken) {
  const auto with_shape = [](const std::string& shape) {
    GgufSpec spec;
    spec.keys = {shape};
    spec.tensors = {{"t", {2, 32}, test::kGgufQ8_0, std::string(68, '\1')}};
    return spec;
  };
  const std::string key = "comfy.gguf.orig_shape.t";
  const TensorFile file = opened(with_shape(gguf_array(key, 5, 3, test::raw<int32_t>({4, 1, 16}))));
  EXPECT_EQ(file.at("t").shape, (Shape{4, 1, 16}));
  EXPECT_EQ(file.at("t").bytes(), 68u);
  EXPECT_EQ(file.bytes_of(file.at("t")).size(), 68u);
  EXPECT_THAT(refusal_of(with_shape(gguf_array(key, 5, 1, test::raw<int32_t>({63})))), HasSubstr("the 64 values"));
  EXPECT_THAT(refusal_of(with_shape(gguf_array(key, 5, 1, test::raw<int32_t>({-64})))), HasSubstr("than a size"));
  EXPECT_THAT(refusal_of(with_shape(gguf_array(key, 6, 1, test::raw<float>({NAN})))), HasSubstr("than a size"));
  EXPECT_THAT(refusal_of(with_shape(gguf_array(key, 5, 6, std::string(24, '\1')))), HasSubstr("no short list"));
  EXPECT_THAT(refusal_of(with_shape(gguf_array(key, 8, 1, gguf_text("64")))), HasSubstr("no short list"));
}

/// Those who want elements at an address get an error, not the bytes of blocks.
TEST(Gguf, BlocksAreNotViewed) {
  GgufSpec spec;
  spec.tensors = {{"t", {32}, test::kGgufQ8_0, std::string(34, '\1')}};
  const TensorFile file = opened(spec);
  EXPECT_EQ(file.at("t").type_name(), "Q8_0");
  EXPECT_THAT(test::refusal([&] { file.view("t"); }), HasSubstr("'t' is stored in blocks of Q8_0"));
}

}  // namespace
}  // namespace wan
