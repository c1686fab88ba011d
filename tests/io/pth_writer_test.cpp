// What PthWriter writes is what torch.save would: read back by our reader, and laid out as the fixtures that torch
// wrote.
#include <zlib.h>

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "builders.h"
#include "io/checked.h"
#include "io/pth_writer.h"
#include "io/zip.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

/// Runs `action`, which must fail at run time; its message.
std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected wan::Error";
  return {};
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// Bytes of tensor `index`, none equal to its neighbours.
std::string pattern(size_t index, size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(i * 31 + index * 7 + 1);
  return out;
}

const std::vector<PthWriter::Declared> kTensors{
    {"matrix", DType::kF32, {3, 5}},
    {"half.weight", DType::kBF16, {7}},
    {"empty", DType::kF32, {0, 4}},
    {"scalar", DType::kF64, {}},
    {"counts", DType::kI64, {2, 1, 2}},
    {"flags", DType::kBool, {3}},
    {"five.axes", DType::kF32, {2, 3, 1, 2, 2}},
};

/// Writes kTensors in pieces of `piece` bytes, so that pieces straddle tensors.
void write_all(const std::filesystem::path& path, size_t piece, uint64_t largest_32) {
  PthWriter writer(path, kTensors, largest_32);
  std::string all;
  for (size_t i = 0; i < kTensors.size(); ++i)
    all += pattern(i, static_cast<size_t>(kTensors[i].shape.count()) * size_of(kTensors[i].dtype));
  for (size_t at = 0; at < all.size(); at += piece)
    writer.write(bytes_of(all).subspan(at, std::min(piece, all.size() - at)));
  writer.finish();
}

void expect_checksums_and_alignment(const std::string& archive) {
  const auto bytes = bytes_of(archive);
  const ZipArchive zip(bytes, "archive");
  EXPECT_EQ(zip.entries().size(), kTensors.size() + 3);
  for (const auto& [name, entry] : zip.entries()) {
    const uint64_t at = zip.data_offset(name, entry);
    EXPECT_EQ(at % 64, 0u) << name;
    const auto data = bytes.subspan(at, entry.size);
    const auto expected = crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
    EXPECT_EQ(read_little_endian<uint32_t>(bytes, entry.header_offset + 14), expected) << name;
  }
}

/// 0 and small limits write every number, or only later offsets, as ZIP64.
class PthWriterLimits : public ::testing::TestWithParam<uint64_t> {};

TEST_P(PthWriterLimits, TensorsAreReadBackWithTheirBytes) {
  const test::TemporaryFolder folder;
  const auto path = folder / "model.v1.pth";
  write_all(path, 11, GetParam());
  const std::string archive = test::read_file(path);
  expect_checksums_and_alignment(archive);
  EXPECT_THAT(archive, HasSubstr("model.v1/data/0"));
  const TensorFile file = TensorFile::open(path);
  ASSERT_EQ(file.tensors().size(), kTensors.size());
  for (size_t i = 0; i < kTensors.size(); ++i) {
    const StoredTensor& stored = file.at(kTensors[i].name);
    EXPECT_EQ(stored.dtype, kTensors[i].dtype) << stored.name;
    EXPECT_EQ(stored.shape, kTensors[i].shape) << stored.name;
    EXPECT_TRUE(stored.contiguous) << stored.name;
    const std::string expected = pattern(i, stored.bytes());
    const std::string_view found(static_cast<const char*>(file.view(stored).data), stored.bytes());
    EXPECT_EQ(found, expected) << stored.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Largest32, PthWriterLimits,
                         ::testing::Values(uint64_t{0xfffffffe}, uint64_t{0}, uint64_t{900}));

TEST(PthWriter, EqualContentsGiveEqualFiles) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "a");
  std::filesystem::create_directories(folder / "b");
  write_all(folder / "a" / "m.pth", 3, 0xfffffffe);
  write_all(folder / "b" / "m.pth", 1000, 0xfffffffe);
  EXPECT_EQ(test::read_file(folder / "a" / "m.pth"), test::read_file(folder / "b" / "m.pth"));
}

TEST(PthWriter, RewritesAFileOfTorchTensorByTensor) {
  const TensorFile torch =
      TensorFile::open(std::string(WAN_FIXTURES) + "/mini-ti2v-t2v/models_t5_umt5-xxl-enc-bf16.pth");
  const test::TemporaryFolder folder;
  std::vector<PthWriter::Declared> declared;
  for (const StoredTensor& tensor : torch.tensors()) declared.push_back({tensor.name, tensor.dtype, tensor.shape});
  PthWriter writer(folder / "copy.pth", declared);
  for (const StoredTensor& tensor : torch.tensors())
    writer.write({static_cast<const std::byte*>(torch.view(tensor).data), tensor.bytes()});
  writer.finish();
  const TensorFile copy = TensorFile::open(folder / "copy.pth");
  ASSERT_EQ(copy.tensors().size(), torch.tensors().size());
  for (const StoredTensor& tensor : torch.tensors()) {
    const StoredTensor& ours = copy.at(tensor.name);
    EXPECT_EQ(ours.dtype, tensor.dtype);
    EXPECT_EQ(ours.shape, tensor.shape);
    EXPECT_EQ(ours.strides, tensor.strides);
    EXPECT_EQ(std::memcmp(copy.view(ours).data, torch.view(tensor).data, tensor.bytes()), 0) << tensor.name;
  }
}

TEST(PthWriter, NothingIsLeftUntilAllBytesArrived) {
  const test::TemporaryFolder folder;
  const auto path = folder / "file.pth";
  {
    PthWriter writer(path, {{"a", DType::kF32, {2}}, {"b", DType::kF32, {1}}});
    const std::string eight = pattern(0, 8);
    EXPECT_THAT(refusal([&] { writer.finish(); }), HasSubstr("8 bytes of storage 0 were never written"));
    writer.write(bytes_of(eight));
    EXPECT_THAT(refusal([&] { writer.finish(); }), HasSubstr("4 bytes of storage 1 were never written"));
    EXPECT_THAT(refusal([&] { writer.write(bytes_of(eight)); }), HasSubstr("4 bytes more than declared"));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(PthWriter, RefusesWhatTheFormatCannotHold) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(refusal([&] { PthWriter(folder / "f.pth", {{"a", DType::kF8E4M3, {2}}}); }), HasSubstr("F8_E4M3"));
  EXPECT_THAT(refusal([&] {
                PthWriter(folder / "f.pth", {{"a", DType::kF32, {2}}, {"a", DType::kF32, {2}}});
              }),
              HasSubstr("two tensors are named 'a'"));
  EXPECT_THAT(refusal([&] { PthWriter(folder / "none" / "f.pth", {}); }), HasSubstr("cannot create"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace wan
