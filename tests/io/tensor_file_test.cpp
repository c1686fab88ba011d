// TensorFile on the fixtures, and SafetensorsWriter.
#include "io/tensor_file.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "builders.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

std::filesystem::path fixture(const char* name) { return std::filesystem::path(WAN_FIXTURES) / name; }

TEST(TensorFile, ReadsEveryShardOfAnIndex) {
  const TensorFile file = TensorFile::open(fixture("mini-ti2v-t2v/diffusion_pytorch_model.safetensors.index.json"));
  EXPECT_EQ(file.tensors().size(), 15u + 25u + 24u + 5u);
  EXPECT_EQ(file.files().size(), 4u);
  EXPECT_EQ(file.total_bytes(), 9203456u);  // the index's total_size
  EXPECT_EQ(file.metadata().at("format"), "pt");
  const TensorView modulation = file.view("blocks.0.modulation");
  EXPECT_EQ(modulation.shape, (Shape{1, 6, 256}));
  EXPECT_EQ(modulation.as<float>()[0], -0.19140625f);
  EXPECT_EQ(file.view("blocks.1.ffn.2.bias").as<float>()[0], -0.048583984375f);
}

TEST(TensorFile, ReadsASingleSafetensorsFile) {
  const TensorFile file = TensorFile::open(fixture("mini-ti2v-i2v/diffusion_pytorch_model.safetensors"));
  EXPECT_EQ(file.tensors().size(), 69u);
  EXPECT_EQ(file.view("blocks.0.cross_attn.k.bias").as<float>()[0], 0.04443359375f);
}

TEST(TensorFile, ReadsMixedElementTypes) {
  const TensorFile file = TensorFile::open(fixture("mini-t2v-moe/golden.safetensors"));
  EXPECT_EQ(file.tensors().size(), 87u);
  EXPECT_EQ(file.view("bf16.dit.call0.blocks.0").as<float>()[0], 0.09066061675548553f);
  const auto is_half = [](const StoredTensor& tensor) { return tensor.dtype == DType::kF16; };
  EXPECT_TRUE(std::any_of(file.tensors().begin(), file.tensors().end(), is_half));
}

TEST(TensorFile, ReadsVaePth) {
  const TensorFile vae22 = TensorFile::open(fixture("mini-ti2v-t2v/Wan2.2_VAE.pth"));
  EXPECT_EQ(vae22.tensors().size(), 196u);
  EXPECT_EQ(vae22.total_bytes(), 1054764u * 4);
  const TensorView head = vae22.view("decoder.head.2.weight");
  EXPECT_EQ(head.shape, (Shape{12, 8, 3, 3, 3}));
  EXPECT_EQ(head.as<float>()[2], 0.054931640625f);
  const TensorFile vae21 = TensorFile::open(fixture("mini-t2v-moe/Wan2.1_VAE.pth"));
  EXPECT_EQ(vae21.tensors().size(), 194u);
  EXPECT_EQ(vae21.view("decoder.head.2.weight").as<float>()[1], -0.05224609375f);
}

TEST(TensorFile, ReadsTextEncoderPth) {
  const TensorFile file = TensorFile::open(fixture("mini-ti2v-i2v/models_t5_umt5-xxl-enc-bf16.pth"));
  EXPECT_EQ(file.tensors().size(), 32u);
  EXPECT_EQ(file.at("token_embedding.weight").shape, (Shape{443, 96}));
  const TensorFile other = TensorFile::open(fixture("mini-ti2v-t2v/models_t5_umt5-xxl-enc-bf16.pth"));
  EXPECT_EQ(to_float(other.view("norm.weight").as<BF16>()[2]), 1.109375f);
}

TEST(TensorFile, TensorsAreInNameOrderAndFoundByName) {
  const TensorFile file = TensorFile::open(fixture("mini-ti2v-t2v/golden.safetensors"));
  for (size_t i = 1; i < file.tensors().size(); ++i) EXPECT_LT(file.tensors()[i - 1].name, file.tensors()[i].name);
  for (const StoredTensor& tensor : file.tensors()) EXPECT_EQ(file.find(tensor.name), &tensor);
  EXPECT_EQ(file.find("no such tensor"), nullptr);
  const std::string message = test::refusal([&] { file.at("no such tensor"); });
  EXPECT_THAT(message, HasSubstr("no such tensor"));
  EXPECT_THAT(message, HasSubstr("golden.safetensors"));
}

TEST(TensorFile, MissingAndUnknownFilesAreRefused) {
  EXPECT_THAT(test::refusal([] { TensorFile::open("/nowhere/at/all.safetensors"); }),
              HasSubstr("/nowhere/at/all.safetensors"));
  EXPECT_THAT(test::open_refusal(""), HasSubstr("neither"));
  EXPECT_THAT(test::open_refusal("hello, this is text"), HasSubstr("neither"));
  EXPECT_THAT(test::open_refusal("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."), HasSubstr("before 1.6"));
  const test::TemporaryFolder folder;
  EXPECT_THAT(test::refusal([&] { TensorFile::open(folder.path()); }), HasSubstr("regular file"));
}

TEST(TensorFile, ViewsOfMisplacedTensorsAreAligned) {
  const test::TemporaryFolder folder;
  // one byte, then floats at an odd address
  const std::string header =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]} })";
  test::write_file(folder / "odd.safetensors", test::safetensors(header, "x" + test::raw<float>({1.5f, -2.0f})));
  TensorFile file = TensorFile::open(folder / "odd.safetensors");
  const TensorView view = file.view("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data) % alignof(float), 0u);
  EXPECT_EQ(view.as<float>()[0], 1.5f);
  EXPECT_EQ(view.as<float>()[1], -2.0f);
  EXPECT_EQ(file.view("b").data, view.data);
  const TensorFile moved = std::move(file);
  EXPECT_EQ(moved.view("b").as<float>()[1], -2.0f);
}

TEST(SafetensorsWriter, WritesWhatTensorFileReads) {
  const test::TemporaryFolder folder;
  const auto path = folder / "out.safetensors";
  const std::vector<float> values = {1.0f, -2.5f, 3.25f, 0.0f, 1e30f, -0.0f};
  const std::vector<uint8_t> bytes = {7, 8, 9};
  {
    SafetensorsWriter writer(path,
                             {{"z", DType::kF32, {2, 3}},
                              {"scalar", DType::kF32, {}},
                              {"empty", DType::kF32, {0, 4}},
                              {"a \"b\"", DType::kU8, {3}}},
                             {{"format", "pt"}, {"note", "a\nb"}});
    writer.write(std::as_bytes(std::span(values).first(4)));
    writer.write(std::as_bytes(std::span(values).subspan(4)));
    writer.write(std::as_bytes(std::span(values).first(1)));
    writer.write(std::as_bytes(std::span(bytes)));
    EXPECT_FALSE(std::filesystem::exists(path)) << "must not be there before it is finished";
    writer.finish();
  }
  const TensorFile file = TensorFile::open(path);
  EXPECT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.at("z").shape, (Shape{2, 3}));
  EXPECT_EQ(std::memcmp(file.view("z").data, values.data(), values.size() * 4), 0);
  EXPECT_EQ(file.at("z").offset % 8, 0u);
  EXPECT_EQ(file.at("scalar").shape, Shape{});
  EXPECT_EQ(*file.view("scalar").as<float>(), 1.0f);
  EXPECT_EQ(file.at("empty").bytes(), 0u);
  EXPECT_EQ(file.view("a \"b\"").as<uint8_t>()[2], 9);
  EXPECT_EQ(file.metadata().at("note"), "a\nb");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

TEST(SafetensorsWriter, RefusesTooManyOrTooFewBytes) {
  const test::TemporaryFolder folder;
  const std::vector<std::byte> nine(9);
  SafetensorsWriter writer(folder / "out", {{"a", DType::kF32, {2}}});
  EXPECT_THROW(writer.write(nine), Error);
  writer.write(std::span(nine).first(4));
  EXPECT_THROW(writer.finish(), Error);
  writer.write(std::span(nine).first(4));
  writer.finish();
  EXPECT_THROW(writer.finish(), Error);
  EXPECT_EQ(std::filesystem::file_size(folder / "out") % 8, 0u);
}

TEST(SafetensorsWriter, LeavesNothingBehindUnlessFinished) {
  const test::TemporaryFolder folder;
  { SafetensorsWriter writer(folder / "out", {{"a", DType::kF32, {2}}}); }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_THROW(SafetensorsWriter(folder / "no folder" / "out", {}), Error);
}

TEST(SafetensorsWriter, RefusesBadNames) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(SafetensorsWriter(folder / "out", {{"a", DType::kF32, {1}}, {"a", DType::kF32, {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(folder / "out", {{"__metadata__", DType::kF32, {1}}}), Error);
}

/// Lets files grow to `bytes` only, which fails writes as a full disk does, until the end of the scope.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(SafetensorsWriter, AFullDiskIsAnErrorThatNamesTheFile) {
  const test::TemporaryFolder folder;
  const std::vector<std::byte> block(1 << 16);
  {
    const FileSizeLimit limit(1 << 15);
    SafetensorsWriter writer(folder / "out", {{"a", DType::kU8, {1 << 16}}});
    try {
      writer.write(block);
      FAIL() << "expected an error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
      EXPECT_THAT(error.what(), HasSubstr((folder / "out").string()));
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace wan
