// Puts operands on a backend and compares what comes back with a double-precision expectation.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "backend/backend.h"

namespace wan {

// How far a result may lie from its expectation. Every operation computes in float (unit roundoff 2^-24), so that each
// reference returns, beside the value, the `slack` that float arithmetic may cost it, from the terms it was made of.
// The comparison adds the one rounding to the dtype of the result.
inline constexpr double kFloatRoundoff = 0x1p-24;
inline constexpr double kBf16Roundoff = 0x1p-8;
/// Results below the smallest normal float may be flushed to zero.
inline constexpr double kFlushed = 1e-36;

double roundoff(DType dtype);

/// Factor c so that a sum of n terms in any order errs by at most c * 2^-24 * (sum of |terms|): n in the worst case,
/// and 4 sqrt(n) but with probability 2 exp(-8) (Higham and Mary, SIAM J. Sci. Comput. 41(5), 2019); 4 for what follows
/// it.
double sum_factor(int64_t n);

struct Expected {
  std::vector<double> value;
  std::vector<double> slack;

  explicit Expected(int64_t count = 0) : value(static_cast<size_t>(count)), slack(static_cast<size_t>(count)) {}
};

/// A tensor on the backend with its content in double. Rows (the last axis) may have `pad` unused elements after them.
struct Operand {
  Shape shape;
  int64_t pad = 0;
  std::vector<double> values;  // what the elements hold after rounding to the dtype; empty for a blank
  Tensor storage;
  TensorView view;

  operator TensorView() const { return view; }  // NOLINT: operands are passed where views are expected
  double at(int64_t i) const { return values[static_cast<size_t>(i)]; }
};

struct Spread {
  double mean = 0, deviation = 1;
};

class Bench {
 public:
  Bench(Backend& backend, uint64_t seed) : backend_(backend), random_(seed) {}
  Bench(Backend& backend, const char* name);  // seeded by the name

  Operand put(DType dtype, const Shape& shape, const std::vector<double>& values, int64_t pad = 0);
  Operand put_indices(const std::vector<int32_t>& values);
  /// Seeded normal values.
  Operand normal(DType dtype, const Shape& shape, Spread spread = {}, int64_t pad = 0);
  /// NaN everywhere: elements the operation leaves out are noticed.
  Operand blank(DType dtype, const Shape& shape, int64_t pad = 0);
  std::vector<double> normal_values(int64_t count, Spread spread = {});
  std::vector<int32_t> indices(int64_t count, int32_t limit);

  /// All elements. Also fails when the padding between rows was written.
  std::vector<double> get(const Operand& operand);
  /// Fails unless every element lies within its slack and one rounding of the expectation.
  testing::AssertionResult matches(const Operand& got, const Expected& want);
  Backend& backend() { return backend_; }

 private:
  Backend& backend_;
  std::mt19937_64 random_;
};

/// The nearest value of the dtype.
double rounded(double value, DType dtype);

/// The comparison itself; `largest` elements are not shown, the first wrong one is.
testing::AssertionResult compare(const std::vector<double>& got, const Expected& want, DType dtype);

}  // namespace wan
