// Row operations on every backend: norms, modulation, gated residual, rotary embedding, and the fused forms.
#include <cmath>

#include "bench.h"
#include "reference.h"
#include "subject.h"

namespace wan {
namespace {

constexpr float kEps = 1e-6f;

struct RowsCase {
  const char* name;
  int64_t rows, width;
  int64_t pad = 0;
  Spread spread{};
  int64_t table_rows = 1;  // U; above 1 with a row index
  int64_t heads = 1;
};
void PrintTo(const RowsCase& c, std::ostream* out) { *out << c.name; }

constexpr RowsCase kRows[] = {
    {"one_element_pair", 1, 2},
    {"small_odd", 5, 14, 0, {}, 1, 7},
    {"odd_strides", 7, 90, 3, {}, 1, 3},
    {"strided", 9, 256, 512, {}, 2, 2},
    {"two_timesteps", 23, 120, 0, {0, 2}, 2, 3},
    {"three_timesteps", 19, 130, 0, {}, 3, 1},
    {"far_from_zero", 6, 100, 0, {50, 1}, 1, 2},
    {"large", 6, 100, 0, {-3, 1e4}, 2, 2},
    {"tiny", 6, 100, 0, {0, 1e-5}, 1, 2},
    {"wide", 3, 5120, 0, {0.1, 1}, 2, 40},
    {"wider_than_a_block", 2, 13824, 0, {}, 1, 8},
    {"many", 700, 64, 0, {}, 2, 4},
};

/// One case's operands; x as the residual stream, in the dtype the test asks for.
struct Rows {
  Rows(Backend& backend, const RowsCase& c, DType x_dtype, DType y_dtype)
      : bench(backend, c.name),
        shape{c.rows, c.width},
        x(bench.normal(x_dtype, shape, c.spread, c.pad)),
        y(bench.normal(y_dtype, shape, c.spread, c.pad)),
        gate(bench.normal(DType::kF32, {c.table_rows, c.width}, {0.5, 1})),
        // Shift and scale are two columns of one table, as in the model: their rows are strided.
        shift(bench.normal(DType::kF32, {c.table_rows, c.width}, {0, 1}, 2 * c.width)),
        scale(bench.normal(DType::kF32, {c.table_rows, c.width}, {0, 0.5}, 2 * c.width)),
        weight(bench.normal(DType::kF32, {c.width}, {1, 0.3})),
        bias(bench.normal(DType::kF32, {c.width}, {0, 0.3})) {
    if (c.table_rows > 1) index = bench.put_indices(bench.indices(c.rows, static_cast<int32_t>(c.table_rows)));
    Values angle = bench.normal_values(c.rows * c.width / c.heads / 2, {0, 3});
    Values cosines, sines;
    for (const double a : angle) {
      cosines.push_back(std::cos(a));
      sines.push_back(std::sin(a));
    }
    const Shape angles{c.rows, c.width / c.heads / 2};
    cos = bench.put(DType::kF32, angles, cosines);
    sin = bench.put(DType::kF32, angles, sines);
  }

  using Values = std::vector<double>;
  Bench bench;
  Shape shape;
  Operand x, y, gate, shift, scale, weight, bias, index, cos, sin;
};

using NormRows = OnBackendWith<RowsCase>;

TEST_P(NormRows, LayerNorm) {
  Rows r(backend(), param(), dtype(), dtype());
  const Operand out = r.bench.blank(dtype(), r.shape, param().pad);
  const Expected normed = reference::layer_norm(reference::exact(r.x.values), param().width, kEps);
  backend().layer_norm(r.x, {}, {}, kEps, out);
  EXPECT_TRUE(r.bench.matches(out, normed));
  backend().layer_norm(r.x, r.weight, r.bias, kEps, out);
  EXPECT_TRUE(r.bench.matches(out, reference::affine(normed, r.weight.values, r.bias.values)));
}

TEST_P(NormRows, ModulatedLayerNorm) {
  for (const DType x_dtype : {DType::kF32, dtype()}) {
    Rows r(backend(), param(), x_dtype, dtype());
    const Operand out = r.bench.blank(dtype(), r.shape, param().pad);
    backend().modulated_layer_norm(r.x, r.shift, r.scale, r.index, kEps, out);
    const Expected normed = reference::layer_norm(reference::exact(r.x.values), param().width, kEps);
    EXPECT_TRUE(r.bench.matches(
        out, reference::modulate(normed, r.shift.values, r.scale.values, r.index.values, param().width)));
  }
}

TEST_P(NormRows, GatedResidual) {
  Rows gated(backend(), param(), DType::kF32, dtype());
  backend().gated_residual(gated.x, gated.y, gated.gate, gated.index);
  EXPECT_TRUE(gated.bench.matches(gated.x, reference::gated_residual(gated.x.values, gated.y.values, gated.gate.values,
                                                                     gated.index.values, param().width)));
  Rows plain(backend(), param(), DType::kF32, dtype());
  backend().gated_residual(plain.x, plain.y, {}, {});
  EXPECT_TRUE(
      plain.bench.matches(plain.x, reference::gated_residual(plain.x.values, plain.y.values, {}, {}, param().width)));
}

TEST_P(NormRows, GatedResidualThenModulatedNorm) {
  Rows r(backend(), param(), DType::kF32, dtype());
  const Operand n = r.bench.blank(dtype(), r.shape, param().pad);
  backend().gated_residual_modulated_norm(r.x, r.y, r.gate, r.shift, r.scale, r.index, kEps, n);
  const Expected sum = reference::gated_residual(r.x.values, r.y.values, r.gate.values, r.index.values, param().width);
  EXPECT_TRUE(r.bench.matches(r.x, sum));
  EXPECT_TRUE(r.bench.matches(n, reference::modulate(reference::layer_norm(sum, param().width, kEps), r.shift.values,
                                                     r.scale.values, r.index.values, param().width)));
}

TEST_P(NormRows, GatedResidualThenLayerNorm) {
  Rows r(backend(), param(), DType::kF32, dtype());
  const Operand n = r.bench.blank(dtype(), r.shape, param().pad);
  backend().gated_residual_layer_norm(r.x, r.y, r.gate, r.index, r.weight, r.bias, kEps, n);
  const Expected sum = reference::gated_residual(r.x.values, r.y.values, r.gate.values, r.index.values, param().width);
  EXPECT_TRUE(r.bench.matches(r.x, sum));
  EXPECT_TRUE(r.bench.matches(
      n, reference::affine(reference::layer_norm(sum, param().width, kEps), r.weight.values, r.bias.values)));
}

TEST_P(NormRows, RmsNorm) {
  for (const DType x_dtype : {DType::kF32, dtype()}) {
    Rows r(backend(), param(), x_dtype, dtype());
    const Operand out = r.bench.blank(dtype(), r.shape, param().pad);
    const Expected want = reference::rms_norm(reference::exact(r.x.values), r.weight.values, param().width, kEps);
    backend().rms_norm(r.x, r.weight, kEps, out);
    EXPECT_TRUE(r.bench.matches(out, want));
    backend().rms_norm(r.x, r.weight, kEps, r.x);
    EXPECT_TRUE(r.bench.matches(r.x, want)) << "in place";
  }
}

TEST_P(NormRows, Rope) {
  Rows r(backend(), param(), dtype(), dtype());
  const Operand out = r.bench.blank(dtype(), r.shape, param().pad);
  const Expected want =
      reference::rope(reference::exact(r.x.values), r.cos.values, r.sin.values, param().heads, param().width);
  backend().rope(r.x, r.cos, r.sin, param().heads, out);
  EXPECT_TRUE(r.bench.matches(out, want));
  backend().rope(r.x, r.cos, r.sin, param().heads, r.x);
  EXPECT_TRUE(r.bench.matches(r.x, want)) << "in place";
}

TEST_P(NormRows, RmsNormThenRope) {
  Rows r(backend(), param(), dtype(), dtype());
  const Operand out = r.bench.blank(dtype(), r.shape, param().pad);
  const Expected normed = reference::rms_norm(reference::exact(r.x.values), r.weight.values, param().width, kEps);
  // A backend that composes the two rounds what lies between.
  Expected between = normed;
  for (size_t i = 0; i < between.value.size(); ++i) between.slack[i] += roundoff(dtype()) * std::abs(between.value[i]);
  const Expected want = reference::rope(between, r.cos.values, r.sin.values, param().heads, param().width);
  backend().rms_norm_rope(r.x, r.weight, kEps, r.cos, r.sin, param().heads, out);
  EXPECT_TRUE(r.bench.matches(out, want));
  backend().rms_norm_rope(r.x, r.weight, kEps, r.cos, r.sin, param().heads, r.x);
  EXPECT_TRUE(r.bench.matches(r.x, want)) << "in place";
}

/// The fused form against this backend's own parts: both lie within the slack of the truth, and of each other.
TEST_P(NormRows, FusedEqualsComposed) {
  Rows fused(backend(), param(), DType::kF32, dtype()), composed(backend(), param(), DType::kF32, dtype());
  const Operand a = fused.bench.blank(dtype(), fused.shape), b = composed.bench.blank(dtype(), fused.shape);
  backend().gated_residual_modulated_norm(fused.x, fused.y, fused.gate, fused.shift, fused.scale, fused.index, kEps, a);
  backend().Backend::gated_residual_modulated_norm(composed.x, composed.y, composed.gate, composed.shift,
                                                   composed.scale, composed.index, kEps, b);
  const Expected sum =
      reference::gated_residual(fused.x.values, fused.y.values, fused.gate.values, fused.index.values, param().width);
  Expected x = sum;
  x.value = composed.bench.get(composed.x);
  EXPECT_TRUE(fused.bench.matches(fused.x, x));
  Expected n = reference::modulate(reference::layer_norm(sum, param().width, kEps), fused.shift.values,
                                   fused.scale.values, fused.index.values, param().width);
  n.value = composed.bench.get(b);
  for (size_t i = 0; i < n.value.size(); ++i) n.slack[i] = 2 * n.slack[i] + roundoff(dtype()) * std::abs(n.value[i]);
  EXPECT_TRUE(fused.bench.matches(a, n));
}

INSTANTIATE_TEST_SUITE_P(Ops, NormRows, both_precisions(kRows), CaseName());

using NormContract = OnBackend;

TEST_F(NormContract, RefusesShapesThatDoNotFit) {
  Bench bench(backend(), "norm refusals");
  const Operand x = bench.normal(DType::kF32, {4, 8}), y = bench.blank(DType::kF32, {4, 8});
  const Operand short_y = bench.blank(DType::kF32, {3, 8}), narrow = bench.normal(DType::kF32, {7});
  const Operand angles = bench.normal(DType::kF32, {4, 4}), few_angles = bench.normal(DType::kF32, {3, 4});
  const Operand weight = bench.normal(DType::kF32, {8});
  EXPECT_ANY_THROW(backend().layer_norm(x, {}, {}, kEps, short_y));
  EXPECT_ANY_THROW(backend().rms_norm(x, narrow, kEps, y));
  EXPECT_ANY_THROW(backend().rope(x, few_angles, angles, 1, y));
  EXPECT_ANY_THROW(backend().rope(x, angles, angles, 3, y));
  EXPECT_NO_THROW(backend().rms_norm_rope(x, weight, kEps, angles, angles, 1, y));
}

}  // namespace
}  // namespace wan
