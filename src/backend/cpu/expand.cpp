// Expanding packed matrices, row by row: the reference.
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "backend/expand_contract.h"

namespace wan::cpu {
namespace {

/// values += factor * (row of up) down, the sum from the first of the rank on.
void add_term(const LowRankTerm& term, int64_t row, std::span<float> values, std::span<float> sum,
              std::span<float> line) {
  const int64_t rank = term.up.shape[1], columns = std::ssize(values);
  std::vector<float> up(static_cast<size_t>(rank));
  load(term.up, row * rank, rank, up.data());
  std::fill(sum.begin(), sum.end(), 0.0f);
  for (int64_t k = 0; k < rank; ++k) {
    load(term.down, k * columns, columns, line.data());
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += up[static_cast<size_t>(k)] * line[i];
  }
  for (size_t i = 0; i < sum.size(); ++i) values[i] += term.factor * sum[i];
}

}  // namespace

void CpuBackend::expand(const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y, Queue) {
  require_expandable(matrix, terms, y, Memory::kHost);
  if (y.count() == 0) return;
  const int64_t columns = matrix.columns;
  int64_t work = columns;
  for (const LowRankTerm& term : terms) work += columns * term.up.shape[1];
  parallel_for(threads_, matrix.rows, work, [&](int64_t row, int) {
    std::vector<float> memory(static_cast<size_t>(terms.empty() ? columns : 3 * columns));
    const std::span<float> values(memory.data(), static_cast<size_t>(columns));
    decode_packed(matrix, row, row + 1, values.data());
    for (const LowRankTerm& term : terms)
      add_term(term, row, values, {memory.data() + columns, values.size()},
               {memory.data() + 2 * columns, values.size()});
    store(values.data(), columns, y, row * columns);
  });
}

}  // namespace wan::cpu
