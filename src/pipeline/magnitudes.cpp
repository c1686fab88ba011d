#include "pipeline/magnitudes.h"

#include <cmath>

#include "base/error.h"
#include "tensor/dtype.h"

namespace wan {

MagnitudeRecorder::MagnitudeRecorder(int steps) {
  ratios_.cond.resize(static_cast<size_t>(steps));
  ratios_.uncond.resize(static_cast<size_t>(steps));
}

void MagnitudeRecorder::forget() { norms_ = {}; }

void MagnitudeRecorder::add(Backend& backend, int step, int branch, TensorView residual) {
  if (host_.empty()) host_ = host_tensor(residual.dtype, residual.shape);
  backend.copy_bytes(residual, host_, Queue::kCompute);
  backend.synchronize(backend.record(Queue::kCompute));
  std::vector<double> now = row_norms(host_);
  std::vector<double>& before = norms_[static_cast<size_t>(branch)];
  if (!before.empty())
    (branch == 0 ? ratios_.cond : ratios_.uncond)[static_cast<size_t>(step)] = mean_ratio(now, before);
  before = std::move(now);
}

std::vector<double> row_norms(TensorView rows) {
  const int64_t length = rows.shape[0], width = rows.shape[1];
  std::vector<double> norms;
  for (int64_t row = 0; row < length; ++row) {
    double sum = 0;
    for (int64_t i = row * width; i < (row + 1) * width; ++i) {
      const auto value =
          static_cast<double>(rows.dtype == DType::kBF16 ? to_float(rows.as<BF16>()[i]) : rows.as<float>()[i]);
      sum += value * value;
    }
    norms.push_back(std::sqrt(sum));
  }
  return norms;
}

std::optional<double> mean_ratio(const std::vector<double>& now, const std::vector<double>& before) {
  require_op(now.size() == before.size(), "ratios are of rows of one number");
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < now.size(); ++i) {
    if (!(before[i] > 0)) continue;
    sum += now[i] / before[i];
    ++count;
  }
  if (count == 0 || !std::isfinite(sum)) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace wan
