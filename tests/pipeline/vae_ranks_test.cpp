// A VAE whose columns are shared among ranks gives the bytes that one rank gives: neighbours know one another's edges,
// every query of the middle's attention meets all keys in one order, and a position's sums do not depend on the
// positions beside it (backend/cpu).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "comm/local.h"
#include "model/checkpoint.h"
#include "model/vae.h"

namespace wan {
namespace {

/// A latent's size and what of it is taken at a time.
struct Size {
  const char* name;
  int64_t frames, height, width;
  int64_t chunk = 1, slice = 1;
};

void PrintTo(const Size& size, std::ostream* out) { *out << size.name; }

struct Case {
  const char* name;
  const char* fixture;
  DType compute;
};

void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

class VaeRanks : public testing::TestWithParam<std::tuple<Case, Size>> {
 protected:
  VaeRanks() : checkpoint(open_checkpoint(std::filesystem::path(WAN_FIXTURES) / tested().fixture)) {}
  static const Case& tested() { return std::get<0>(GetParam()); }
  static const Size& size() { return std::get<1>(GetParam()); }

  Vae load(Backend& backend, Vae::Parts parts) const {
    return {backend,          checkpoint.vae, WeightSource::from_file(checkpoint.vae_file), &checkpoint.vae_file,
            tested().compute, parts};
  }
  std::vector<float> decoded(Communicator* ranks, int threads) const;
  std::vector<float> encoded(Communicator* ranks, int threads) const;

  Checkpoint checkpoint;
};

std::unique_ptr<Backend> backend_of(int threads) {
  BackendOptions options;
  options.device = "cpu";
  options.cpu_threads = threads;
  return make_backend(options);
}

std::vector<float> values_of(const Tensor& tensor) {
  return {tensor->as<float>(), tensor->as<float>() + tensor->count()};
}

Tensor arena_block(Backend& backend) { return backend.allocate(DType::kU8, {int64_t{96} << 20}, "arena"); }

/// The video, of rank 0 alone where there are ranks.
std::vector<float> VaeRanks::decoded(Communicator* ranks, int threads) const {
  const auto backend = backend_of(threads);
  Vae vae = load(*backend, Vae::Parts::kDecoder);
  const auto& [name, frames, height, width, chunk, slice] = size();
  const VaeTraits& traits = checkpoint.vae.traits();
  const Tensor latent =
      backend->allocate(DType::kF32, {checkpoint.vae.latent_channels, frames, height, width}, "latent");
  backend->fill_normal(latent, 1, 0, 1);
  const Tensor video = backend->allocate(
      DType::kF32, {3, traits.video_frames(frames), height * traits.stride_spatial, width * traits.stride_spatial},
      "video");
  const Tensor block = arena_block(*backend);
  Arena arena(block);
  vae.set_slice_frames(slice);
  const bool has_video = ranks == nullptr || ranks->rank() == 0;
  // Twice: what the first video leaves behind must not matter.
  for (int again = 0; again < 2; ++again) {
    vae.begin_decode(height, width, chunk, ranks);
    int64_t done = 0;
    for (int64_t i = 0; i < frames; i += chunk) {
      const ArenaScope scope(arena);
      const int64_t end = std::min(i + chunk, frames), count = vae.frames_of(end - i, i == 0);
      const TensorView rows = vae.decode_chunk(latent->slice(1, i, end), arena);
      EXPECT_EQ(rows.empty(), !has_video);
      if (has_video) backend->channels_to_pixels(rows, traits.patch, video->slice(1, done, done + count));
      done += count;
    }
    vae.end_decode();
  }
  return has_video ? values_of(video) : std::vector<float>{};
}

/// The latent of a video of noise.
std::vector<float> VaeRanks::encoded(Communicator* ranks, int threads) const {
  const auto backend = backend_of(threads);
  Vae vae = load(*backend, Vae::Parts::kEncoder);
  const auto& [name, frames, height, width, chunk, slice] = size();
  const VaeTraits& traits = checkpoint.vae.traits();
  const Tensor pixels = backend->allocate(
      DType::kF32, {3, traits.video_frames(frames), height * traits.stride_spatial, width * traits.stride_spatial},
      "pixels");
  backend->fill_normal(pixels, 2, 0, 0.5f);
  const Tensor latent =
      backend->allocate(DType::kF32, {checkpoint.vae.latent_channels, frames, height, width}, "latent");
  const Tensor block = arena_block(*backend);
  Arena arena(block);
  vae.encode(pixels, chunk * traits.stride_temporal, arena, latent, ranks);
  return values_of(latent);
}

void expect_bytes(const std::vector<float>& found, const std::vector<float>& whole, int rank, int count) {
  ASSERT_EQ(found.size(), whole.size());
  double furthest = 0, size = 0;
  size_t different = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    furthest = std::max(furthest, double{std::abs(found[i] - whole[i])});
    size = std::max(size, double{std::abs(whole[i])});
    different += std::memcmp(&found[i], &whole[i], sizeof(float)) != 0;
  }
  EXPECT_GT(size, 0);
  EXPECT_EQ(different, 0u) << "rank " << rank << " of " << count << ": of " << whole.size() << " values, up to "
                           << furthest << " apart";
}

const Case kCases[] = {{"of_2_2", "mini-ti2v-t2v", DType::kF32},
                       {"of_2_2_in_bf16", "mini-ti2v-t2v", DType::kBF16},
                       {"of_2_1", "mini-t2v-moe", DType::kF32},
                       {"of_2_1_in_bf16", "mini-t2v-moe", DType::kBF16}};
const Size kSizes[] = {{"even", 3, 4, 6}, {"odd", 2, 3, 7, 2, 0}, {"narrow", 3, 5, 3, 2, 1}};

INSTANTIATE_TEST_SUITE_P(All, VaeRanks, testing::Combine(testing::ValuesIn(kCases), testing::ValuesIn(kSizes)),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param).name) + "_" + std::get<1>(tested.param).name;
                         });

TEST_P(VaeRanks, DecodeTheBytesOfOneRank) {
  const std::vector<float> whole = decoded(nullptr, 2);
  for (const int count : {2, 3}) {
    std::vector<float> found;
    LocalRanks ranks(count);
    ranks.run([&](Communicator& comm) {
      std::vector<float> video = decoded(&comm, 1);
      if (comm.rank() == 0) found = std::move(video);
    });
    expect_bytes(found, whole, 0, count);
  }
}

TEST_P(VaeRanks, EncodeTheBytesOfOneRank) {
  const std::vector<float> whole = encoded(nullptr, 2);
  for (const int count : {2, 3}) {
    std::vector<std::vector<float>> found(static_cast<size_t>(count));
    LocalRanks ranks(count);
    ranks.run([&](Communicator& comm) { found[static_cast<size_t>(comm.rank())] = encoded(&comm, 1); });
    for (int rank = 0; rank < count; ++rank) expect_bytes(found[static_cast<size_t>(rank)], whole, rank, count);
  }
}

TEST(VaeColumns, AreAsManyForEachRankAndTheFirstTakeTheRest) {
  EXPECT_EQ(columns_of_rank(80, 3, 8), (ColumnRange{30, 40}));
  EXPECT_EQ(columns_of_rank(7, 0, 3), (ColumnRange{0, 3}));
  EXPECT_EQ(columns_of_rank(7, 1, 3), (ColumnRange{3, 5}));
  EXPECT_EQ(columns_of_rank(7, 2, 3), (ColumnRange{5, 7}));
  EXPECT_EQ(columns_of_rank(3, 2, 3), (ColumnRange{2, 3}));
  EXPECT_EQ(columns_of_rank(5, 0, 1), (ColumnRange{0, 5}));
}

}  // namespace
}  // namespace wan
