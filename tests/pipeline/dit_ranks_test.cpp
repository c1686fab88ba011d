// A DiT whose tokens and heads are shared among ranks gives the bytes that one rank gives: rows of products, norms and
// queries do not depend on the rows beside them, and a head's attention not on other heads (backend/cpu).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "comm/local.h"
#include "model/dit.h"
#include "model/variant.h"
#include "pipeline/layer_store.h"

namespace wan {
namespace {

struct Case {
  const char* name;
  const char* model;  // whose channels are taken
  int64_t heads, head_dim;
  PatchGrid grid;
  int first_frame_row = -1;
  std::vector<int> ranks;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

DitConfig config_of(const Case& c) {
  DitConfig config = variant_named(c.model).dit;
  config.num_heads = c.heads;
  config.dim = c.heads * c.head_dim;
  config.ffn_dim = 2 * config.dim;
  config.num_layers = 2;
  config.text_dim = 64;
  config.text_len = 40;
  return config;
}

/// Weights large enough that every part of a block shows in the result.
struct Model {
  Model(Backend& backend, const DitConfig& config) : source(random_weights(dit_component(0))) {
    LayerStoreOptions options;
    options.component = "dit";
    std::vector<WeightLayout> layouts;
    for (int i = 0; i < config.num_layers; ++i) layouts.push_back(dit_block_layout(config, i, DType::kF32));
    stem.emplace(backend, std::vector{dit_stem_layout(config, DType::kF32)}, source, options);
    blocks.emplace(backend, layouts, source, options);
    stem->start();
    blocks->start();
  }
  WeightSource source;
  std::optional<LayerStore> stem, blocks;
};

/// The velocity of one forward, as one of `ranks`, which has as many threads as the number says.
std::vector<float> velocity(const Case& c, Communicator* ranks, int threads) {
  BackendOptions options;
  options.device = "cpu";
  options.cpu_threads = threads;
  const auto backend = make_backend(options);
  const DitConfig config = config_of(c);
  Model model(*backend, config);
  Dit dit(*backend, config, DType::kF32, model.stem->acquire(0), {}, ranks);
  dit.set_grid(c.grid);
  const auto latent = [&](int64_t channels) {
    return backend->allocate(DType::kF32, {channels, c.grid.frames, 2 * c.grid.rows, 2 * c.grid.columns}, "latent");
  };
  const Tensor x = latent(config.in_dim), y = latent(config.out_dim);
  backend->fill_normal(x, 1, 0, 1);
  const Tensor rows = host_tensor(DType::kF32, {7, 64});
  backend->fill_normal(rows, 2, 0, 1);
  TextContext text = dit.embed_text(rows);
  const TimeTable times = dit.embed_times(std::vector<double>{0, 900});
  const Tensor memory = backend->allocate(DType::kU8, {int64_t{48} << 20}, "arena");
  Arena arena(memory);
  // Twice: what the first call leaves behind must not matter.
  for (int again = 0; again < 2; ++again)
    dit.forward({x, 1, c.first_frame_row, &times, &text, nullptr}, *model.blocks, arena, y);
  return {y->as<float>(), y->as<float>() + y->count()};
}

class DitRanks : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(Sizes, DitRanks,
                         testing::Values(Case{"ti2v", "ti2v-5B", 2, 64, {3, 4, 5}, -1, {2}},
                                         Case{"ti2v_from_image", "ti2v-5B", 2, 64, {3, 5, 7}, 0, {2}},
                                         Case{"t2v", "t2v-A14B", 2, 64, {2, 5, 5}, -1, {2}},
                                         Case{"i2v", "i2v-A14B", 2, 64, {3, 3, 7}, -1, {2}},
                                         Case{"of_12_heads", "ti2v-5B", 12, 32, {3, 7, 9}, -1, {2, 3, 4, 6}},
                                         Case{"of_12_heads_from_image", "ti2v-5B", 12, 32, {5, 5, 7}, 0, {3, 4, 6}}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(DitRanks, GiveTheBytesOfOneRank) {
  const Case& c = GetParam();
  const std::vector<float> whole = velocity(c, nullptr, 2);
  double size = 0;
  for (const float value : whole) size += std::abs(value);
  EXPECT_GT(size, 0);
  for (const int count : c.ranks) {
    std::vector<std::vector<float>> found(static_cast<size_t>(count));
    LocalRanks ranks(count);
    ranks.run([&](Communicator& comm) { found[static_cast<size_t>(comm.rank())] = velocity(c, &comm, 1); });
    for (const std::vector<float>& each : found) {
      ASSERT_EQ(each.size(), whole.size());
      double furthest = 0;
      for (size_t i = 0; i < each.size(); ++i) furthest = std::max(furthest, double{std::abs(each[i] - whole[i])});
      EXPECT_EQ(std::memcmp(each.data(), whole.data(), whole.size() * sizeof(float)), 0)
          << count << " ranks, up to " << furthest << " apart";
    }
  }
}

TEST(DitRanks, RowsAreWholeSixteensAndTheLastTakesTheRest) {
  EXPECT_EQ(rows_of_rank(36080, 0, 4), (RowRange{0, 9024}));
  EXPECT_EQ(rows_of_rank(36080, 3, 4), (RowRange{27072, 36080}));
  EXPECT_EQ(rows_of_rank(32760, 3, 4), (RowRange{24576, 32760}));
  EXPECT_EQ(rows_of_rank(45, 0, 1), (RowRange{0, 48 - 3}));
  EXPECT_EQ(rows_of_rank(45, 3, 4).count(), 0);
}

std::string refused(const Case& c, int count) {
  LocalRanks ranks(count);
  try {
    ranks.run([&](Communicator& comm) { velocity(c, &comm, 1); });
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "nothing was refused";
}

TEST(DitRanks, RefuseHeadsThatDoNotDivideAndTooFewTokens) {
  const Case two{"", "ti2v-5B", 2, 64, {3, 4, 5}, -1, {}};
  EXPECT_EQ(refused(two, 3), "3 ranks cannot share the model's 2 heads evenly: take a number that divides them");
  const Case few{"", "ti2v-5B", 12, 32, {1, 5, 9}, -1, {}};
  EXPECT_EQ(refused(few, 4), "45 tokens are too few for 4 ranks, of which each but the last takes whole sixteens");
}

}  // namespace
}  // namespace wan
