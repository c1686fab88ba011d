// Convolutions on every backend, at the geometries the two VAEs use.
#include <cmath>

#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

using reference::ConvShape;

struct ConvCase {
  const char* name;
  ConvShape shape;
  ConvGeometry geometry{};
  double size = 1;
};
void PrintTo(const ConvCase& c, std::ostream* out) { *out << c.name; }

constexpr ConvGeometry kSame{1, 1, 1, 1, 1, 1, 1};
constexpr ConvGeometry kHalve{1, 2, 2, 0, 1, 0, 1};
constexpr ConvGeometry kHalveTime{2, 1, 1, 0, 0, 0, 0};

constexpr ConvCase kConvs[] = {
    {"pointwise", {3, 5, 7, 16, 24, 1, 1, 1}},
    {"pointwise_odd_channels", {2, 4, 3, 5, 7, 1, 1, 1}},
    {"causal_one_frame", {3, 6, 9, 16, 16, 3, 3, 3}, kSame},
    {"causal_four_frames", {6, 5, 8, 32, 16, 3, 3, 3}, kSame},
    {"causal_from_rgb", {3, 8, 8, 3, 32, 3, 3, 3}, kSame},
    {"causal_from_patches", {3, 8, 6, 12, 40, 3, 3, 3}, kSame},
    {"causal_to_rgb", {3, 8, 8, 32, 3, 3, 3, 3}, kSame},
    {"causal_to_patches", {4, 5, 5, 48, 12, 3, 3, 3}, kSame},
    {"causal_wide", {3, 9, 17, 64, 96, 3, 3, 3}, kSame},
    {"causal_one_pixel", {3, 1, 1, 8, 8, 3, 3, 3}, kSame},
    {"causal_large_values", {4, 5, 6, 16, 16, 3, 3, 3}, kSame, 1e3},
    {"time_only", {4, 5, 6, 16, 32, 3, 1, 1}},
    {"halve_time_three_frames", {3, 4, 6, 16, 16, 3, 1, 1}, kHalveTime},
    {"halve_time_five_frames", {5, 4, 6, 24, 24, 3, 1, 1}, kHalveTime},
    {"halve_space", {2, 8, 12, 16, 16, 1, 3, 3}, kHalve},
    {"halve_space_odd_channels", {1, 6, 4, 20, 20, 1, 3, 3}, kHalve},
    {"same_3x3", {2, 7, 5, 16, 24, 1, 3, 3}, kSame},
    {"halve_behind_blur", {1, 12, 8, 16, 24, 1, 6, 6}, {1, 2, 2, 2, 2, 2, 2}},
    {"skip_behind_blur", {1, 8, 12, 16, 24, 1, 4, 4}, {1, 2, 2, 1, 1, 1, 1}},
    {"whole_picture", {1, 4, 4, 32, 40, 1, 4, 4}},
    {"uneven_padding", {1, 6, 7, 8, 8, 1, 3, 3}, {1, 1, 1, 2, 0, 0, 1}},
    {"last_tiles_in_parts", {1, 141, 141, 8, 256, 1, 1, 1}},  // where 132 multiprocessors take tiles of 128 pixels
};

int64_t frames_of(const ConvCase& c) { return (c.shape.frames - c.shape.kernel_t) / c.geometry.stride_t + 1; }
Shape result_shape(const ConvCase& c) {
  const ConvShape& s = c.shape;
  const ConvGeometry& g = c.geometry;
  return {frames_of(c), (s.height + g.pad_top + g.pad_bottom - s.kernel_h) / g.stride_h + 1,
          (s.width + g.pad_left + g.pad_right - s.kernel_w) / g.stride_w + 1, s.out_channels};
}

/// x on the backend, weights and bias on the host in `source` dtype, rounded for the reference as the backend keeps
/// them.
struct Operands {
  Operands(Backend& backend, const char* name, const ConvShape& s, double size, DType compute, DType source)
      : bench(backend, name), x(bench.normal(compute, {s.frames, s.height, s.width, s.in_channels}, {0.1, size})) {
    const Shape five{s.out_channels, s.in_channels, s.kernel_t, s.kernel_h, s.kernel_w};
    const Shape four{s.out_channels, s.in_channels, s.kernel_h, s.kernel_w};
    const Shape shape = s.kernel_t == 1 && s.kernel_h == 3 ? four : five;
    host_weight = host(source, shape, bench.normal_values(shape.count(), {0.02, 0.3}), compute, weight);
    // The bias may be kept in either precision: values that both hold exactly.
    host_bias = host(source, {s.out_channels}, bench.normal_values(s.out_channels, {0, size}), DType::kBF16, bias);
    if (compute == DType::kF32) return;
    for (double& value : bias) value = rounded(value, DType::kBF16);
  }

  Tensor host(DType dtype, const Shape& shape, std::vector<double> values, DType keep, std::vector<double>& kept) {
    Tensor out = host_tensor(dtype, shape);
    kept.clear();
    for (size_t i = 0; i < values.size(); ++i) {
      const double value = rounded(rounded(values[i], keep), dtype);
      if (dtype == DType::kF32)
        out->as<float>()[i] = static_cast<float>(value);
      else
        out->as<BF16>()[i] = to_bf16(static_cast<float>(value));
      kept.push_back(value);
    }
    return out;
  }

  std::unique_ptr<ConvWeights> prepare(ConvKind kind, DType compute) {
    return bench.backend().prepare_conv(host_weight, host_bias, kind, compute);
  }

  /// What the backend allows itself beyond float sums.
  double error(DType compute) { return compute == DType::kF32 ? bench.backend().f32_conv_error() : 0; }

  Bench bench;
  Operand x;
  Tensor host_weight, host_bias;
  std::vector<double> weight, bias;
};

using Conv = OnBackendWith<ConvCase>;

TEST_P(Conv, MatchesReference) {
  for (const DType source : {DType::kF32, DType::kBF16}) {
    Operands o(backend(), param().name, param().shape, param().size, dtype(), source);
    const auto weights = o.prepare(ConvKind::kPlain, dtype());
    EXPECT_EQ(weights->in_channels, param().shape.in_channels);
    EXPECT_EQ(weights->out_channels, param().shape.out_channels);
    EXPECT_EQ(weights->kernel_t, param().shape.kernel_t);
    EXPECT_EQ(weights->kernel_h, param().shape.kernel_h);
    EXPECT_EQ(weights->kernel_w, param().shape.kernel_w);
    EXPECT_GE(weights->device_bytes, o.weight.size() * size_of(dtype()));
    const Operand y = o.bench.blank(dtype(), result_shape(param()));
    backend().conv(*weights, o.x, param().geometry, {}, y);
    EXPECT_TRUE(o.bench.matches(
        y, reference::conv(o.x.values, o.weight, o.bias, {}, param().shape, param().geometry, o.error(dtype()))));
  }
}

TEST_P(Conv, AddsAResidual) {
  Operands o(backend(), param().name, param().shape, param().size, dtype(), DType::kF32);
  const auto weights = o.prepare(ConvKind::kPlain, dtype());
  const Operand residual = o.bench.normal(dtype(), result_shape(param()), {0, param().size});
  const Operand y = o.bench.blank(dtype(), result_shape(param()));
  const Expected want =
      reference::conv(o.x.values, o.weight, o.bias, residual.values, param().shape, param().geometry, o.error(dtype()));
  backend().conv(*weights, o.x, param().geometry, residual, y);
  EXPECT_TRUE(o.bench.matches(y, want));
  EXPECT_EQ(o.bench.get(residual), residual.values) << "the residual was written";
  backend().conv(*weights, o.x, param().geometry, residual, residual);
  EXPECT_TRUE(o.bench.matches(residual, want)) << "residual aliasing y";
}

TEST_P(Conv, WritesEveryOtherFrame) {
  Operands o(backend(), param().name, param().shape, param().size, dtype(), DType::kF32);
  const auto weights = o.prepare(ConvKind::kPlain, dtype());
  const Shape frames = result_shape(param());
  const Shape pairs{frames[0], 2, frames[1], frames[2], frames[3]};
  const Operand both = o.bench.normal(dtype(), pairs);
  backend().conv(*weights, o.x, param().geometry, {}, both.view.select(1, 1));
  const Expected one =
      reference::conv(o.x.values, o.weight, o.bias, {}, param().shape, param().geometry, o.error(dtype()));
  Expected want = reference::exact(both.values);
  const size_t frame = one.value.size() / static_cast<size_t>(frames[0]);
  for (size_t i = 0; i < one.value.size(); ++i) {
    const size_t to = (i / frame * 2 + 1) * frame + i % frame;
    want.value[to] = one.value[i];
    want.slack[to] = one.slack[i];
  }
  EXPECT_TRUE(o.bench.matches(both, want));
}

TEST_P(Conv, ReadsAHistoryApart) {
  Operands o(backend(), param().name, param().shape, param().size, dtype(), DType::kF32);
  const int64_t past = param().shape.kernel_t - 1;
  if (past == 0) return;  // no history to read
  const auto weights = o.prepare(ConvKind::kPlain, dtype());
  const auto part = [&](int64_t begin, int64_t end) {
    const int64_t frame = param().shape.height * param().shape.width * param().shape.in_channels;
    return o.bench.put(dtype(), {end - begin, param().shape.height, param().shape.width, param().shape.in_channels},
                       {o.x.values.begin() + begin * frame, o.x.values.begin() + end * frame});
  };
  std::vector<Operand> frames;
  std::vector<TensorView> history;  // each frame in memory of its own
  for (int64_t i = 0; i < past; ++i) frames.push_back(part(i, i + 1));
  for (const Operand& frame : frames) history.push_back(frame.view.at(0));
  const Operand rest = part(past, param().shape.frames);
  const Operand y = o.bench.blank(dtype(), result_shape(param()));
  const Tensor block = backend().allocate(DType::kU8, {int64_t{1} << 22}, "scratch of the test");
  Arena scratch(block);
  backend().conv_after(*weights, history, rest, param().geometry, {}, y, scratch);
  EXPECT_TRUE(o.bench.matches(
      y, reference::conv(o.x.values, o.weight, o.bias, {}, param().shape, param().geometry, o.error(dtype()))));
  EXPECT_EQ(scratch.mark(), 0u) << "scratch was not given back";
}

INSTANTIATE_TEST_SUITE_P(Ops, Conv, both_precisions(kConvs), CaseName());

struct EnlargeCase {
  const char* name;
  int64_t frames, height, width, in_channels, out_channels;
};
void PrintTo(const EnlargeCase& c, std::ostream* out) { *out << c.name; }

constexpr EnlargeCase kEnlargements[] = {
    {"one_pixel", 1, 1, 1, 8, 8},      {"small", 1, 3, 4, 16, 8},  {"frames", 3, 5, 4, 32, 16},
    {"odd_channels", 2, 4, 3, 20, 10}, {"wide", 1, 6, 11, 64, 64},
};

using Enlarge = OnBackendWith<EnlargeCase>;

TEST_P(Enlarge, EqualsConvolutionOfTheEnlargedPicture) {
  const EnlargeCase& c = param();
  const ConvShape small{c.frames, c.height, c.width, c.in_channels, c.out_channels, 1, 3, 3};
  ConvShape large = small;
  large.height *= 2;
  large.width *= 2;
  Operands o(backend(), c.name, small, 1, dtype(), DType::kF32);
  const auto weights = o.prepare(ConvKind::kNearestUpsample2x, dtype());
  const Operand y = o.bench.blank(dtype(), {c.frames, large.height, large.width, c.out_channels});
  backend().conv(*weights, o.x, {}, {}, y);
  const auto enlarged = reference::enlarged(o.x.values, c.frames, c.height, c.width, c.in_channels);
  Expected want = reference::conv(enlarged, o.weight, o.bias, {}, large, kSame, o.error(dtype()));
  if (dtype() == DType::kBF16) {
    // A backend may read the small input with sums of one, two or four taps, each rounded to BF16 once more.
    const double terms = static_cast<double>(9 * c.in_channels);
    const double relative = std::min(1.0, 4 / std::sqrt(terms)) * kBf16Roundoff;
    for (double& slack : want.slack) slack *= 1 + relative / (sum_factor(9 * c.in_channels) * kFloatRoundoff);
  }
  EXPECT_TRUE(o.bench.matches(y, want));
}

INSTANTIATE_TEST_SUITE_P(Ops, Enlarge, both_precisions(kEnlargements), CaseName());

using ConvContract = OnBackend;

TEST_F(ConvContract, OneSetOfWeightsServesEveryPictureSize) {
  const ConvShape shape{3, 4, 4, 16, 16, 3, 3, 3};
  Operands o(backend(), "sizes", shape, 1, DType::kF32, DType::kF32);
  const auto weights = o.prepare(ConvKind::kPlain, DType::kF32);
  for (const auto& [height, width] : {std::pair{4, 4}, {21, 30}, {4, 4}, {2, 50}}) {
    ConvShape s = shape;
    s.height = height;
    s.width = width;
    const Operand x = o.bench.normal(DType::kF32, {3, height, width, 16});
    const Operand y = o.bench.blank(DType::kF32, {1, height, width, 16});
    backend().conv(*weights, x, kSame, {}, y);
    EXPECT_TRUE(o.bench.matches(y, reference::conv(x.values, o.weight, o.bias, {}, s, kSame, o.error(DType::kF32))));
  }
}

TEST_F(ConvContract, RefusesShapesThatDoNotFit) {
  const ConvShape shape{3, 4, 4, 8, 8, 3, 3, 3};
  Operands o(backend(), "conv refusals", shape, 1, DType::kF32, DType::kF32);
  const auto weights = o.prepare(ConvKind::kPlain, DType::kF32);
  const Operand y = o.bench.blank(DType::kF32, {1, 4, 4, 8}), two = o.bench.blank(DType::kF32, {2, 4, 4, 8});
  const Operand few = o.bench.normal(DType::kF32, {3, 4, 4, 7}), bf16 = o.bench.normal(DType::kBF16, {3, 4, 4, 8});
  EXPECT_ANY_THROW(backend().conv(*weights, o.x, kSame, {}, two));
  EXPECT_ANY_THROW(backend().conv(*weights, o.x.view.slice(0, 0, 2), kSame, {}, y));
  EXPECT_ANY_THROW(backend().conv(*weights, few, kSame, {}, y));
  EXPECT_ANY_THROW(backend().conv(*weights, bf16, kSame, {}, y));
  EXPECT_ANY_THROW(backend().conv(*weights, o.x, {}, {}, y));
  EXPECT_NO_THROW(backend().conv(*weights, o.x, kSame, {}, y));
}

}  // namespace
}  // namespace wan
