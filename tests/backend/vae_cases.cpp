// The VAE's operations other than convolution, on every backend.
#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

using reference::ShortcutShape;

struct ChannelsCase {
  const char* name;
  int64_t positions, channels;
  Spread spread{};
};
void PrintTo(const ChannelsCase& c, std::ostream* out) { *out << c.name; }

constexpr ChannelsCase kChannels[] = {{"one", 1, 1},
                                      {"odd", 7, 13},
                                      {"small", 60, 96},
                                      {"wide", 9, 1024, {0.1, 2}},
                                      {"large", 11, 160, {-20, 1e3}},
                                      {"tiny", 11, 160, {0, 1e-8}},
                                      {"many", 3000, 16}};

using ChannelNorm = OnBackendWith<ChannelsCase>;

TEST_P(ChannelNorm, MatchesReference) {
  for (const Activation activation : {Activation::kNone, Activation::kSilu}) {
    Bench bench(backend(), param().name);
    const Shape shape{1, 1, param().positions, param().channels};
    const Operand x = bench.normal(dtype(), shape, param().spread), y = bench.blank(dtype(), shape);
    const Operand gamma = bench.normal(DType::kF32, {param().channels}, {1, 0.5});
    const Expected want = reference::channel_norm(x.values, gamma.values, param().channels, activation);
    backend().channel_norm(x, gamma, activation, y);
    EXPECT_TRUE(bench.matches(y, want));
    backend().channel_norm(x, gamma, activation, x);
    EXPECT_TRUE(bench.matches(x, want)) << "in place";
  }
}
INSTANTIATE_TEST_SUITE_P(Ops, ChannelNorm, both_precisions(kChannels), CaseName());

TEST_F(OnBackend, ChannelNormOfZerosIsZero) {
  Bench bench(backend(), "zeros");
  const Operand x = bench.put(DType::kF32, {1, 1, 1, 5}, {0, 0, 0, 0, 0}), gamma = bench.normal(DType::kF32, {5});
  const Operand y = bench.blank(DType::kF32, {1, 1, 1, 5});
  backend().channel_norm(x, gamma, Activation::kSilu, y);
  EXPECT_TRUE(bench.matches(y, Expected(5)));
}

struct ShortcutCase {
  const char* name;
  ShortcutShape shape;
};
void PrintTo(const ShortcutCase& c, std::ostream* out) { *out << c.name; }

// The published factor sets of VAE 2.2 with an eighth or less of its channels, then others that exercise the index map.
constexpr ShortcutCase kDupUps[] = {
    {"blocks_0_and_1", {2, 3, 4, 32, 32, 2, 2}}, {"block_2", {3, 3, 2, 32, 16, 1, 2}},
    {"one_frame", {1, 2, 3, 16, 16, 2, 2}},      {"no_repetition", {2, 2, 3, 24, 3, 2, 2}},
    {"time_only", {2, 3, 3, 6, 9, 2, 1}},        {"odd", {2, 2, 2, 10, 5, 1, 2}},
};
// Here frames, height and width are those of y. The zero frame of a first chunk is part of x: frame 0 below.
constexpr ShortcutCase kAvgDowns[] = {
    {"block_0", {1, 3, 4, 16, 16, 1, 2}},          {"blocks_1_and_2", {2, 3, 4, 16, 32, 2, 2}},
    {"block_3", {2, 3, 4, 32, 32, 1, 1}},          {"many_channels_together", {2, 2, 3, 12, 6, 2, 2}},
    {"time_only", {2, 3, 3, 9, 6, 2, 1}},          {"half_squares", {2, 3, 4, 8, 16, 1, 2}},
    {"space_to_channels", {1, 3, 4, 8, 32, 1, 2}},
};

using DupUp = OnBackendWith<ShortcutCase>;

TEST_P(DupUp, MatchesReference) {
  const ShortcutShape& s = param().shape;
  for (const bool drop_first : {false, true}) {
    Bench bench(backend(), param().name);
    const int64_t frames = s.frames * s.factor_t - (drop_first ? s.factor_t - 1 : 0);
    const Operand x = bench.normal(dtype(), {s.frames, s.height, s.width, s.in_channels});
    const Operand y = bench.normal(dtype(), {frames, s.height * s.factor_s, s.width * s.factor_s, s.out_channels});
    backend().dup_up_add(x, s.factor_t, s.factor_s, drop_first, y);
    EXPECT_TRUE(bench.matches(y, reference::dup_up_add(x.values, y.values, s, drop_first))) << drop_first;
  }
}
INSTANTIATE_TEST_SUITE_P(Ops, DupUp, both_precisions(kDupUps), CaseName());

struct ConvDupUpCase {
  const char* name;
  int64_t factor_t, frames, height, width, in_channels, channels, shortcut_channels;
};
void PrintTo(const ConvDupUpCase& c, std::ostream* out) { *out << c.name; }

// Frames, height and width are those of the shortcut.
constexpr ConvDupUpCase kConvDupUps[] = {
    {"blocks_0_and_1", 2, 2, 5, 9, 64, 64, 64}, {"block_2", 1, 3, 9, 17, 64, 128, 256},
    {"half_in_time", 2, 2, 4, 8, 32, 64, 128},  {"few_channels", 2, 2, 3, 4, 16, 24, 24},
    {"odd_channels", 1, 2, 3, 4, 16, 10, 20},   {"quarter", 1, 2, 4, 4, 16, 16, 64},
    {"wide", 2, 1, 6, 20, 128, 320, 320},
};

using ConvDupUp = OnBackendWith<ConvDupUpCase>;

TEST_P(ConvDupUp, HasTheBitsOfTwoCalls) {
  const ConvDupUpCase& c = param();
  for (const bool drop_first : {false, true}) {
    Bench bench(backend(), c.name);
    const int64_t frames = c.frames * c.factor_t - (drop_first ? c.factor_t - 1 : 0);
    const Operand x = bench.normal(dtype(), {frames, c.height, c.width, c.in_channels});
    const Operand shortcut = bench.normal(dtype(), {c.frames, c.height, c.width, c.shortcut_channels});
    const auto host = [&](const Shape& shape) {
      Tensor values = host_tensor(DType::kF32, shape);
      std::ranges::copy(bench.normal_values(shape.count()), values->as<float>());
      return values;
    };
    const auto weights = backend().prepare_conv(host({c.channels, c.in_channels, 3, 3}), host({c.channels}),
                                                ConvKind::kNearestUpsample2x, dtype());
    const Shape large{frames, 2 * c.height, 2 * c.width, c.channels};
    const Operand together = bench.blank(dtype(), large), apart = bench.blank(dtype(), large);
    backend().conv_dup_up_add(*weights, x, {}, {shortcut, c.factor_t, drop_first}, together);
    backend().conv(*weights, x, {}, {}, apart);
    const auto without = bench.get(apart);
    backend().dup_up_add(shortcut, c.factor_t, 2, drop_first, apart);
    EXPECT_EQ(bench.get(together), bench.get(apart)) << drop_first;
    EXPECT_NE(bench.get(together), without) << "nothing was added";
  }
}
INSTANTIATE_TEST_SUITE_P(Ops, ConvDupUp, both_precisions(kConvDupUps), CaseName());

using AvgDown = OnBackendWith<ShortcutCase>;

TEST_P(AvgDown, MatchesReference) {
  const ShortcutShape& s = param().shape;
  for (const bool first_chunk : {false, true}) {
    Bench bench(backend(), param().name);
    const Shape in{s.frames * s.factor_t, s.height * s.factor_s, s.width * s.factor_s, s.in_channels};
    auto values = bench.normal_values(in.count());
    if (first_chunk) std::fill_n(values.begin(), in.count() / in[0], 0.0);
    const Operand x = bench.put(dtype(), in, values);
    const Operand y = bench.normal(dtype(), {s.frames, s.height, s.width, s.out_channels});
    backend().avg_down_add(x, s.factor_t, s.factor_s, y);
    EXPECT_TRUE(bench.matches(y, reference::avg_down_add(x.values, y.values, s))) << first_chunk;
  }
}
INSTANTIATE_TEST_SUITE_P(Ops, AvgDown, both_precisions(kAvgDowns), CaseName());

using ShortcutContract = OnBackend;

TEST_F(ShortcutContract, RefusesShapesThatDoNotFit) {
  Bench bench(backend(), "shortcut refusals");
  const Operand small = bench.normal(DType::kF32, {1, 2, 2, 8}), large = bench.normal(DType::kF32, {2, 4, 4, 8});
  EXPECT_ANY_THROW(backend().dup_up_add(small, 2, 2, true, large));
  EXPECT_ANY_THROW(backend().dup_up_add(small, 1, 2, false, large));
  EXPECT_ANY_THROW(backend().avg_down_add(large, 2, 1, small));
  EXPECT_NO_THROW(backend().dup_up_add(small, 2, 2, false, large));
  EXPECT_NO_THROW(backend().avg_down_add(large, 2, 2, small));
}

}  // namespace
}  // namespace wan
