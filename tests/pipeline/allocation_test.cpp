// A denoising step allocates nothing: counted on the dry backend, whose internal_bytes is the most it ever had
// allocated at once.
#include <gtest/gtest.h>

#include <vector>

#include "model/dit.h"
#include "model/variant.h"
#include "sampler/guidance.h"
#include "sampler/sampler.h"

namespace wan {
namespace {

class OneSlab final : public LayerSource {
 public:
  TensorView acquire(int) override {
    return {reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice};
  }
  void release(int) override {}
};

TEST(DenoisingLoop, AllocatesNothingAfterTheFirstStep) {
  const DitConfig config = variant_named("ti2v-5B").dit;
  const auto backend = make_dry_backend();
  const TensorView stem(reinterpret_cast<void*>(Arena::kAlignment), DType::kU8, {1}, Memory::kDevice);
  Dit dit(*backend, config, DType::kBF16, stem);
  const PatchGrid grid{5, 22, 40};
  dit.set_grid(grid);
  const Shape shape{48, 5, 44, 80};
  const Tensor x = backend->allocate(DType::kF32, shape, "x"), a = backend->allocate(DType::kF32, shape, "a"),
               b = backend->allocate(DType::kF32, shape, "b");
  const auto sampler = make_sampler(Solver::kUniPC, make_schedule(Solver::kUniPC, 4, 5.0), shape, *backend);
  const Tensor rows = host_tensor(DType::kF32, {1, config.text_dim});
  TextContext text = dit.embed_text(rows);
  const std::vector<double> timesteps{0, 999, 900, 800, 700};
  const TimeTable times = dit.embed_times(timesteps);
  Arena arena = Arena::dry();
  OneSlab blocks;
  // A block that brings what is allocated up to the highest mark so far, so that any further allocation raises it.
  const uint64_t highest = backend->internal_bytes();
  const Tensor filler = backend->allocate(DType::kU8, {static_cast<int64_t>(highest)}, "filler");
  uint64_t before = 0;
  for (int step = 0; step < 4; ++step) {
    if (step == 1) before = backend->internal_bytes();
    for (const Tensor* velocity : {&a, &b})
      dit.forward({x, step + 1, 0, &times, &text, nullptr}, blocks, arena, *velocity);
    guide(*backend, a, b, 5.0f, a);
    sampler->step(step, a, x);
    EXPECT_EQ(arena.mark(), 0u) << "the arena was not given back";
  }
  EXPECT_EQ(backend->internal_bytes(), before);
  // The check can fail: one more byte shows.
  const Tensor more = backend->allocate(DType::kU8, {1}, "one byte");
  EXPECT_EQ(backend->internal_bytes(), before + 1);
}

// A history is read where it lies of multiples of eight channels alone: of others the join is counted, whatever is said
// of the backend.
TEST(Allocation, JoinsOfHistoriesThatAreNotReadApartAreCounted) {
  const auto backend = make_dry_backend(HistoryMemory::kApart);
  for (const int64_t channels : {3, 8}) {
    const Tensor weight = host_tensor(DType::kF32, {16, channels, 3, 3, 3}), bias = host_tensor(DType::kF32, {16});
    const auto conv = backend->prepare_conv(weight, bias, ConvKind::kPlain, DType::kBF16);
    const Tensor history = backend->allocate(DType::kBF16, {2, 8, 8, channels}, "history");
    const std::vector<TensorView> frames{history->at(0), history->at(1)};
    const Tensor x = backend->allocate(DType::kBF16, {4, 8, 8, channels}, "input");
    const Tensor y = backend->allocate(DType::kBF16, {4, 8, 8, 16}, "output");
    Arena arena = Arena::dry();
    backend->conv_after(*conv, frames, x, {1, 1, 1, 1, 1, 1, 1}, {}, y, arena);
    const size_t joined = static_cast<size_t>(6 * 8 * 8 * channels) * size_of(DType::kBF16);
    EXPECT_EQ(arena.peak() >= joined, channels == 3) << channels;
  }
}

}  // namespace
}  // namespace wan
