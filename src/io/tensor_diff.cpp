#include "io/tensor_diff.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

double value_at(const TensorView& view, int64_t index) {
  int64_t rest = index, offset = 0;
  for (int axis = view.rank() - 1; axis >= 0; --axis) {
    offset += rest % view.shape[axis] * view.stride(axis);
    rest /= view.shape[axis];
  }
  switch (view.dtype) {
    case DType::kF32: return static_cast<const float*>(view.data)[offset];
    case DType::kF64: return static_cast<const double*>(view.data)[offset];
    case DType::kBF16: return to_float(static_cast<const BF16*>(view.data)[offset]);
    case DType::kF16: return half_to_float(static_cast<const uint16_t*>(view.data)[offset]);
    case DType::kI64: return static_cast<double>(static_cast<const int64_t*>(view.data)[offset]);
    case DType::kI32: return static_cast<const int32_t*>(view.data)[offset];
    default: throw Error(ErrorKind::kInput, fmt::format("tensors of type {} cannot be compared", name_of(view.dtype)));
  }
}

/// Names under the prefix, in file order, with what they compare as.
std::vector<std::pair<std::string, const StoredTensor*>> select(const TensorFile& file, const std::string& prefix) {
  std::vector<const StoredTensor*> ordered;
  for (const StoredTensor& tensor : file.tensors()) ordered.push_back(&tensor);
  std::stable_sort(ordered.begin(), ordered.end(), [](const StoredTensor* x, const StoredTensor* y) {
    return x->file != y->file ? x->file < y->file : x->offset < y->offset;
  });
  std::vector<std::pair<std::string, const StoredTensor*>> chosen;
  for (const StoredTensor* tensor : ordered)
    if (tensor->name.starts_with(prefix)) chosen.emplace_back(tensor->name.substr(prefix.size()), tensor);
  return chosen;
}

TensorDifference compare(const std::string& name, const TensorView& a, const TensorView& b) {
  TensorDifference result;
  result.name = name;
  result.shapes = fmt::format("{} and {}", a.shape.text(), b.shape.text());
  if (!(a.shape == b.shape)) {
    result.shape_differs = true;
    return result;
  }
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    const double x = value_at(a, i), y = value_at(b, i);
    if (!std::isfinite(x) || !std::isfinite(y)) result.not_finite = true;
    difference += (x - y) * (x - y);
    norm += y * y;
    result.largest = std::max(result.largest, std::abs(x - y));
  }
  if (difference > 0)
    result.relative = norm > 0 ? std::sqrt(difference / norm) : std::numeric_limits<double>::infinity();
  return result;
}

}  // namespace

const TensorDifference* DiffResult::first_over(double limit) const {
  for (const TensorDifference& d : common)
    if (d.shape_differs || d.not_finite || !(d.relative <= limit)) return &d;
  return nullptr;
}

DiffResult diff_tensors(const TensorFile& a, const TensorFile& b, const DiffOptions& options) {
  const auto from_a = select(a, options.prefix_a);
  const auto from_b = select(b, options.prefix_b);
  std::map<std::string, const StoredTensor*> in_b;
  for (const auto& [name, tensor] : from_b) in_b[name] = tensor;
  DiffResult result;
  std::map<std::string, bool> matched;
  for (const auto& [name, tensor] : from_a) {
    const auto other = in_b.find(name);
    if (other == in_b.end()) {
      result.only_a.push_back(name);
      continue;
    }
    matched[name] = true;
    result.common.push_back(compare(name, a.view(*tensor), b.view(*other->second)));
  }
  for (const auto& [name, tensor] : from_b)
    if (!matched.contains(name)) result.only_b.push_back(name);
  return result;
}

}  // namespace wan
