// How much the VAEs copy: counted on a backend that computes nothing, with the published widths. What they compute is
// the golden cases' business.
#include <gtest/gtest.h>

#include "../sampler/host_backend.h"
#include "model/vae.h"

namespace wan {
namespace {

/// Reads histories where they are, as a Hopper card does, and counts.
class CountingBackend final : public HostBackend {
 public:
  int64_t copies = 0;
  int64_t allocated = 0;  // bytes, ever

  HistoryMemory history_memory(DType) const override { return HistoryMemory::kApart; }
  Tensor allocate(DType dtype, const Shape& shape, const char*) override {
    const auto bytes = static_cast<uintptr_t>(shape.count()) * size_of(dtype);
    allocated += static_cast<int64_t>(bytes);
    next_ += bytes / Arena::kAlignment * Arena::kAlignment + 2 * Arena::kAlignment;
    return {TensorView(reinterpret_cast<void*>(next_), dtype, shape, Memory::kDevice), [](void*) {}};
  }
  void copy_bytes(TensorView, TensorView, Queue) override {}
  Event record(Queue) override { return {}; }
  void copy(TensorView, TensorView) override { ++copies; }
  void fill_zero(TensorView) override {}
  void attention(TensorView, TensorView, TensorView, int64_t, float, TensorView) override {}
  std::unique_ptr<ConvWeights> prepare_conv(TensorView weight, TensorView, ConvKind, DType) override {
    auto conv = std::make_unique<ConvWeights>();
    conv->out_channels = weight.shape[0];
    conv->in_channels = weight.shape[1];
    conv->kernel_t = weight.rank() == 5 ? weight.shape[2] : 1;
    return conv;
  }
  void conv(const ConvWeights&, TensorView, const ConvGeometry&, TensorView, TensorView) override {}
  void conv_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x, const ConvGeometry&,
                  TensorView, TensorView, Arena&) override {
    ASSERT_EQ(std::ssize(history), weights.kernel_t - 1);
    for (const TensorView& frame : history) {
      EXPECT_EQ(frame.shape, x.at(0).shape);
      EXPECT_NE(frame.data, x.data) << "an input in the place of its own history";
    }
  }
  void channel_norm(TensorView, TensorView, Activation, TensorView) override {}
  void add(TensorView, TensorView) override {}
  void dup_up_add(TensorView, int64_t, int64_t, bool, TensorView) override {}
  void avg_down_add(TensorView, int64_t, int64_t, TensorView) override {}
  void pixels_to_channels(TensorView, int64_t, TensorView) override {}

 private:
  uintptr_t next_ = uintptr_t{1} << 40;  // apart from a dry arena's addresses, which are small
};

constexpr int64_t kHeight = 4, kWidth = 6, kLatents = 9;  // of the latent

VaeConfig config_of(VaeVersion version) {
  VaeConfig config;
  config.version = version;
  config.latent_channels = version == VaeVersion::k22 ? 48 : 16;
  return config;
}

class VaeCopies : public testing::TestWithParam<VaeVersion> {};

// One latent frame is copied in, and the inputs of the two convolutions that double time: one frame and then two. With
// histories of their own every convolution copied, for each frame of pixels: 103 copies a chunk.
constexpr int64_t kChunkCopies = 1 + 1 + 2;
// The video's first frame is copied past the two doublings, and comes alone where pairs are usual: convolutions of the
// second and of the third level move the frame before it as well.
constexpr int64_t kFirstChunkCopies = 1 + 2 + 2 * 6 + 2 * 6;

TEST_P(VaeCopies, ADecodedChunkMovesNoHistoryOfItsOwn) {
  CountingBackend backend;
  const VaeConfig config = config_of(GetParam());
  Vae vae(backend, config, WeightSource::shapes_only(), nullptr, DType::kBF16, Vae::Parts::kDecoder);
  vae.set_slice_frames(1);
  vae.begin_decode(kHeight, kWidth);
  Arena arena = Arena::dry();
  const Tensor latent =
      backend.allocate(DType::kF32, {config.latent_channels, kLatents, kHeight, kWidth}, "latent of the test");
  for (int64_t i = 0; i < kLatents; ++i) {
    const ArenaScope scope(arena);
    backend.copies = 0;
    vae.decode_chunk(latent->slice(1, i, i + 1), arena);
    EXPECT_EQ(backend.copies, i == 0 ? kFirstChunkCopies : kChunkCopies) << "latent frame " << i;
  }
  vae.end_decode();
}

// Chunks of a length that was not said are as right, and copy.
TEST_P(VaeCopies, ChunksOfAnotherLengthCopyTheirHistories) {
  CountingBackend backend;
  const VaeConfig config = config_of(GetParam());
  Vae vae(backend, config, WeightSource::shapes_only(), nullptr, DType::kBF16, Vae::Parts::kDecoder);
  vae.begin_decode(kHeight, kWidth, 1);
  Arena arena = Arena::dry();
  const Tensor latent = backend.allocate(DType::kF32, {config.latent_channels, 2, kHeight, kWidth}, "latent");
  vae.decode_chunk(latent, arena);
  EXPECT_GT(backend.copies, 30);
}

// Where memory is short nothing is passed on: more copies, and no buffers beside the histories.
TEST_P(VaeCopies, WithoutAUsualLengthAllIsCopiedInLessMemory) {
  const VaeConfig config = config_of(GetParam());
  int64_t copies[2], allocated[2];
  for (const int64_t usual : {0, 1}) {
    CountingBackend backend;
    Vae vae(backend, config, WeightSource::shapes_only(), nullptr, DType::kBF16, Vae::Parts::kDecoder);
    vae.set_slice_frames(1);
    const int64_t before = backend.allocated;
    vae.begin_decode(kHeight, kWidth, usual);
    allocated[usual] = backend.allocated - before;
    Arena arena = Arena::dry();
    const Tensor latent =
        backend.allocate(DType::kF32, {config.latent_channels, 2, kHeight, kWidth}, "latent of the test");
    vae.decode_chunk(latent->slice(1, 0, 1), arena);
    backend.copies = 0;
    vae.decode_chunk(latent->slice(1, 1, 2), arena);
    copies[usual] = backend.copies;
  }
  EXPECT_EQ(copies[1], kChunkCopies);
  EXPECT_GT(copies[0], 10 * kChunkCopies);
  EXPECT_LT(allocated[0], allocated[1]);
}

INSTANTIATE_TEST_SUITE_P(Versions, VaeCopies, testing::Values(VaeVersion::k21, VaeVersion::k22),
                         [](const auto& version) { return version.param == VaeVersion::k21 ? "Wan21" : "Wan22"; });

}  // namespace
}  // namespace wan
