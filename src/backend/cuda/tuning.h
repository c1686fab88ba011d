// Tables that say which cuBLASLt kernel runs a matrix product on a card. A table is text, one row a line:
//   card <tab> cuBLASLt version <tab> in <tab> out <tab> activation <tab> bias <tab> M <tab> N <tab> K <tab> algorithm
//   <tab> TFLOP/s
// where the algorithm is the library's own 64 bytes in hexadecimal, valid for that library version alone. Empty lines
// and lines starting with '#' are skipped. Rows of other cards and versions are kept out of the way, so one file serves
// many.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace wan::cuda {

struct TuningKey {
  DType in = DType::kBF16, out = DType::kBF16;
  Activation activation = Activation::kNone;
  bool bias = true;
  int64_t m = 0, n = 0, k = 0;
};

struct TuningRow {
  TuningKey key;
  std::array<uint64_t, 8> algorithm{};
  double tflops = 0;  // when it was tuned; for the reader
};

class TuningTable {
 public:
  /// Keeps the rows of `card` and `version`. Throws Error(kInput) naming the line that is malformed.
  TuningTable(std::string_view text, const std::string& card, size_t version);
  /// The row of the same product whose M is nearest in ratio, at most a factor of two away: kernels suit a range of M.
  const TuningRow* find(const TuningKey& key) const;

 private:
  std::vector<TuningRow> rows_;
};

std::string format_row(const std::string& card, size_t version, const TuningRow& row);

/// The table shipped with the program.
std::string_view builtin_tuning_table();

}  // namespace wan::cuda
