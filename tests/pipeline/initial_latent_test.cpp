// Starting noise from a file: the same video from every form of it, and a refusal for one that does not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>

#include "base/error.h"
#include "builders.h"
#include "io/tensor_file.h"
#include "pipeline/engine.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
namespace p = test::pickle;
using testing::AllOf;
using testing::HasSubstr;

class InitialLatent : public testing::Test {
 protected:
  InitialLatent() {
    request_.checkpoint = fs::path(WAN_FIXTURES) / "mini-ti2v-t2v";
    request_.prompt = "x";
    request_.width = request_.height = 64;
    request_.num_frames = 5;
    request_.steps = 1;
    request_.device = "cpu";
    request_.dump_level = DumpLevel::kLatent;
    shape_ = make_plan(request_, open_models(request_)).latent;
    noise_.resize(static_cast<size_t>(shape_.count()));
    for (size_t i = 0; i < noise_.size(); ++i) noise_[i] = static_cast<float>(static_cast<int>(i * 7 % 23) - 11) / 8;
  }
  /// What torch.save writes of a tensor without a name, with these extents.
  fs::path alone(const std::vector<int64_t>& extents) const {
    std::vector<int64_t> strides(extents.size(), 1);
    for (size_t i = extents.size() - 1; i > 0; --i) strides[i - 1] = strides[i] * extents[i];
    const std::string storage = p::storage("FloatStorage", "0", static_cast<int64_t>(noise_.size()));
    test::write_file(folder_ / "alone.pt",
                     test::pth(p::program(p::tensor(storage, 0, extents, strides)), {test::raw<float>(noise_)}));
    return folder_ / "alone.pt";
  }
  /// Bytes of the last step's latent.
  std::string latent_from(const fs::path& file) const {
    Request request = request_;
    request.initial_latent = file;
    request.dump = folder_ / "dump.safetensors";
    generate(request);
    const TensorFile dump = TensorFile::open(request.dump);
    std::string bytes;
    for (const StoredTensor& tensor : dump.tensors()) {
      const auto of_tensor = dump.bytes_of(tensor);
      bytes.append(reinterpret_cast<const char*>(of_tensor.data()), of_tensor.size());
    }
    return bytes;
  }
  std::vector<int64_t> extents(std::vector<int64_t> before) const {
    for (int i = 0; i < shape_.rank(); ++i) before.push_back(shape_[i]);
    return before;
  }

  const test::TemporaryFolder folder_;
  Request request_;
  Shape shape_;
  std::vector<float> noise_;
};

TEST_F(InitialLatent, ATensorThatTorchSavedAloneIsTheNoiseOfTheSameNumbers) {
  SafetensorsWriter writer(folder_ / "noise.safetensors", {{"noise", DType::kF32, shape_}});
  writer.write(std::as_bytes(std::span(noise_)));
  writer.finish(Sync::kCached);
  const std::string known = latent_from(folder_ / "noise.safetensors");
  EXPECT_GE(known.size(), noise_.size() * sizeof(float));
  EXPECT_NE(known, latent_from("")) << "the seed's noise";
  EXPECT_EQ(known, latent_from(alone(extents({})))) << "[C, T, H, W]";
  EXPECT_EQ(known, latent_from(alone(extents({1})))) << "[1, C, T, H, W], as diffusers takes it";
}

TEST_F(InitialLatent, OneOfAnotherShapeIsRefused) {
  const auto refusal = [&](const fs::path& file) -> std::string {
    try {
      latent_from(file);
    } catch (const Error& problem) {
      return problem.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal(alone({1, 1, static_cast<int64_t>(noise_.size())})),
              AllOf(HasSubstr("alone.pt: tensor has shape [1, 1, "), HasSubstr(shape_.text())));
  EXPECT_THAT(refusal(alone(extents({1, 1}))), HasSubstr("alone.pt: tensor has shape"));
  SafetensorsWriter writer(folder_ / "other.safetensors", {{"latent", DType::kF32, shape_}});
  writer.write(std::as_bytes(std::span(noise_)));
  writer.finish(Sync::kCached);
  EXPECT_THAT(refusal(folder_ / "other.safetensors"), AllOf(HasSubstr("other.safetensors"), HasSubstr("noise")));
}

}  // namespace
}  // namespace wan
