#include "pipeline/easy_cache.h"

#include <cmath>

#include "base/error.h"

namespace wan {
namespace {

std::vector<float> values_of(TensorView view) {
  const auto* values = view.as<float>();
  return {values, values + view.count()};
}

double mean_size(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += std::abs(static_cast<double>(value));
  return sum / static_cast<double>(values.size());
}

}  // namespace

double mean_change(const std::vector<float>& a, const std::vector<float>& b) {
  require_op(a.size() == b.size() && !a.empty(), "changes are of values of one size");
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return sum / static_cast<double>(a.size());
}

void EasyCacheDecider::forget() {
  error_ = 0;
  change_.reset();
  x_.clear();
  computed_x_.clear();
  velocity_.clear();
}

bool EasyCacheDecider::decide(TensorView x, bool is_open) {
  std::vector<float> now = values_of(x);
  bool is_reused = false;
  if (!is_open) {
    error_ = 0;
  } else if (change_) {
    error_ += *change_ * mean_change(now, x_) / mean_size(velocity_);
    is_reused = error_ < threshold_;  // not where a velocity is zero
    if (!is_reused) error_ = 0;
  }
  x_ = std::move(now);
  return is_reused;
}

void EasyCacheDecider::computed(TensorView velocity) {
  std::vector<float> now = values_of(velocity);
  if (!velocity_.empty())
    if (const double moved = mean_change(x_, computed_x_); moved > 0) change_ = mean_change(now, velocity_) / moved;
  velocity_ = std::move(now);
  computed_x_ = x_;
}

}  // namespace wan
