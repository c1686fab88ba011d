// What is written as GGUF is what the reader, which is held to other programs' files, finds.
#include "io/gguf_writer.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "gguf_builder.h"
#include "io/tensor_file.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

class WrittenGguf : public testing::Test {
 protected:
  static std::vector<std::byte> counted(size_t bytes) {
    std::vector<std::byte> out(bytes);
    for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(i * 7 + bytes);
    return out;
  }
  std::string refusal(const std::vector<GgufWriter::Declared>& tensors) const {
    try {
      GgufWriter writer(folder_ / "refused.gguf", tensors, {});
    } catch (const Error& error) {
      EXPECT_FALSE(std::filesystem::exists(folder_ / "refused.gguf"));
      return error.what();
    }
    return "written";
  }

  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_ / "file.gguf";
  const std::vector<GgufWriter::Key> keys_{{"general.architecture", "wan"}, {"general.file_type", uint32_t{15}}};
};

TEST_F(WrittenGguf, IsByteForByteTheFormat) {
  GgufWriter writer(path_, {{"a", DType::kF32, BlockType::kNone, {1, 3}}, {"b", DType::kF16, BlockType::kNone, {2}}},
                    {{"general.architecture", "wan"}, {"n", uint32_t{7}}});
  const std::string a = "AAAABBBBCCCC", b = "DDEE";
  writer.write(std::as_bytes(std::span(a)));
  writer.write(std::as_bytes(std::span(b)));
  writer.finish(Sync::kCached);
  const test::GgufSpec spec{
      .keys = {test::gguf_string("general.architecture", "wan"), test::gguf_u32("n", 7)},
      .tensors = {{"a", {1, 3}, test::kGgufF32, a}, {"b", {2}, test::kGgufF16, b + std::string(28, '\0')}}};
  EXPECT_EQ(read_text(path_), test::gguf(spec));
}

TEST_F(WrittenGguf, HoldsTypesShapesKeysAndBytes) {
  const std::vector<GgufWriter::Declared> tensors{{"vector", DType::kF32, BlockType::kNone, {5}},
                                                  {"empty", DType::kBF16, BlockType::kNone, {0, 3}},
                                                  {"convolution", DType::kF32, BlockType::kNone, {3, 2, 1, 2, 2}},
                                                  {"half", DType::kBF16, BlockType::kNone, {3, 7}},
                                                  {"q8", DType::kU8, BlockType::kQ8_0, {2, 64}},
                                                  {"q4", DType::kU8, BlockType::kQ4K, {3, 512}},
                                                  {"q6", DType::kU8, BlockType::kQ6K, {1, 256}}};
  const std::vector<size_t> sizes{20, 0, 96, 42, 4 * 34, 6 * 144, 210};
  std::vector<std::byte> all;
  for (const size_t size : sizes) {
    const auto bytes = counted(size);
    all.insert(all.end(), bytes.begin(), bytes.end());
  }
  GgufWriter writer(path_, tensors, keys_);
  for (size_t at = 0; at < all.size(); at += 100)  // pieces end where they happen to
    writer.write(std::span(all).subspan(at, std::min<size_t>(100, all.size() - at)));
  EXPECT_FALSE(std::filesystem::exists(path_));
  writer.finish(Sync::kCached);
  const TensorFile file = TensorFile::open(path_);
  EXPECT_EQ(file.format(), "GGUF 3");
  EXPECT_EQ(file.metadata().at("general.architecture"), "wan");
  EXPECT_EQ(file.metadata().at("general.file_type"), "15");
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const StoredTensor& tensor = file.at(tensors[i].name);
    EXPECT_EQ(tensor.shape, tensors[i].shape) << tensor.name;
    EXPECT_EQ(tensor.block, tensors[i].block) << tensor.name;
    EXPECT_EQ(tensor.dtype, tensors[i].dtype) << tensor.name;
    EXPECT_EQ(tensor.offset % 32, 0u) << tensor.name;
    EXPECT_THAT(file.bytes_of(tensor), testing::ElementsAreArray(counted(sizes[i]))) << tensor.name;
  }
  EXPECT_EQ(std::filesystem::file_size(path_) % 32, 0u) << "the last tensor is padded as well";
}

TEST_F(WrittenGguf, IsWholeOrNotThere) {
  {
    GgufWriter writer(path_, {{"a", DType::kF32, BlockType::kNone, {4}}, {"b", DType::kF32, BlockType::kNone, {1}}},
                      keys_);
    writer.write(counted(16));
    EXPECT_THROW(writer.finish(Sync::kCached), Error);
    writer.write(counted(4));
    EXPECT_THROW(writer.write(counted(1)), Error);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(WrittenGguf, RefusesWhatTheFormatHasNot) {
  EXPECT_THAT(refusal({{"a", DType::kF8E4M3, BlockType::kNone, {4}}}),
              HasSubstr("'a': GGUF has no tensors of F8_E4M3"));
  EXPECT_THAT(refusal({{"a", DType::kU8, BlockType::kQ4K, {4, 128}}}), HasSubstr("[4, 128] are no whole blocks"));
  EXPECT_THAT(refusal({{"a", DType::kF32, BlockType::kNone, {1, 1, 1, 1, 1, 1}}}), HasSubstr("6 axes"));
  const GgufWriter::Declared one{"a", DType::kF32, BlockType::kNone, {4}};
  EXPECT_THAT(refusal({one, one}), HasSubstr("'a' has no name, or that of another"));
}

}  // namespace
}  // namespace wan
