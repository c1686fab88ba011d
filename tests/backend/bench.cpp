#include "bench.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <string_view>

#include "base/error.h"
#include "subject.h"

namespace wan {
namespace {

uint64_t seed_of(std::string_view name) {  // FNV-1a: the same on every machine
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

double read_element(const TensorView& host, int64_t i) {
  switch (host.dtype) {
    case DType::kF32: return host.as<float>()[i];
    case DType::kBF16: return to_float(host.as<BF16>()[i]);
    case DType::kU8: return host.as<uint8_t>()[i];
    default: throw Error("tests read F32, BF16 and U8 results");
  }
}

void write_element(const TensorView& host, int64_t i, double value) {
  switch (host.dtype) {
    case DType::kF32: host.as<float>()[i] = static_cast<float>(value); return;
    case DType::kBF16: host.as<BF16>()[i] = to_bf16(static_cast<float>(value)); return;
    case DType::kU8: host.as<uint8_t>()[i] = std::isnan(value) ? uint8_t{77} : static_cast<uint8_t>(value); return;
    default: throw Error("tests write F32, BF16 and U8 operands");
  }
}

}  // namespace

Subject& subject() {
  static Subject made = make_subject();
  return made;
}

double roundoff(DType dtype) {
  if (dtype == DType::kU8) return 0;
  return dtype == DType::kBF16 ? kBf16Roundoff : kFloatRoundoff;
}

double sum_factor(int64_t n) {
  const double terms = static_cast<double>(n);
  return std::min(terms, 4 * std::sqrt(terms)) + 4;
}

double rounded(double value, DType dtype) {
  const float nearest = static_cast<float>(value);
  return dtype == DType::kBF16 ? round_to_bf16(nearest) : nearest;
}

Bench::Bench(Backend& backend, const char* name) : Bench(backend, seed_of(name)) {}

std::vector<double> Bench::normal_values(int64_t count, Spread spread) {
  const auto unit = [&] { return (static_cast<double>(random_() >> 11) + 0.5) * 0x1p-53; };
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) {
    const double radius = std::sqrt(-2 * std::log(unit()));
    value = spread.mean + spread.deviation * radius * std::cos(2 * std::numbers::pi * unit());
  }
  return values;
}

std::vector<int32_t> Bench::indices(int64_t count, int32_t limit) {
  std::vector<int32_t> values(static_cast<size_t>(count));
  for (int32_t& value : values) value = static_cast<int32_t>(random_() % static_cast<uint64_t>(limit));
  return values;
}

Operand Bench::put(DType dtype, const Shape& shape, const std::vector<double>& values, int64_t pad) {
  require_op(static_cast<int64_t>(values.size()) == shape.count(), "value count differs from " + shape.text());
  Operand out;
  out.shape = shape;
  out.pad = pad;
  Shape padded = shape;
  const int64_t width = shape[-1], stride = width + pad;
  padded[-1] = stride;
  const Tensor host = host_tensor(dtype, padded);
  for (int64_t i = 0; i < padded.count(); ++i)
    write_element(host, i, i % stride < width ? values[static_cast<size_t>(i / stride * width + i % stride)] : NAN);
  for (const double value : values) out.values.push_back(rounded(value, dtype));
  out.storage = backend_.allocate(dtype, padded, "test operand");
  backend_.copy_bytes(host, out.storage, Queue::kCompute);
  backend_.synchronize();
  out.view = out.storage->slice(-1, 0, width);
  return out;
}

Operand Bench::put_indices(const std::vector<int32_t>& values) {
  Operand out;
  out.shape = Shape{static_cast<int64_t>(values.size())};
  const Tensor host = host_tensor(DType::kI32, out.shape);
  std::memcpy(host->data, values.data(), host->bytes());
  out.storage = backend_.allocate(DType::kI32, out.shape, "test operand");
  backend_.copy_bytes(host, out.storage, Queue::kCompute);
  backend_.synchronize();
  out.view = out.storage;
  out.values.assign(values.begin(), values.end());
  return out;
}

Operand Bench::normal(DType dtype, const Shape& shape, Spread spread, int64_t pad) {
  return put(dtype, shape, normal_values(shape.count(), spread), pad);
}

Operand Bench::blank(DType dtype, const Shape& shape, int64_t pad) {
  return put(dtype, shape, std::vector<double>(static_cast<size_t>(shape.count()), NAN), pad);
}

std::vector<double> Bench::get(const Operand& operand) {
  const TensorView storage = operand.storage;
  const Tensor host = host_tensor(storage.dtype, storage.shape);
  backend_.copy_bytes(storage, host, Queue::kCompute);
  backend_.synchronize();
  const int64_t width = operand.shape[-1], stride = width + operand.pad;
  std::vector<double> values;
  int64_t written = 0;
  for (int64_t i = 0; i < storage.count(); ++i) {
    const double value = read_element(host, i);
    if (i % stride < width)
      values.push_back(value);
    else if (!std::isnan(value))
      ++written;
  }
  EXPECT_EQ(written, 0) << "elements between the rows were written";
  return values;
}

testing::AssertionResult Bench::matches(const Operand& got, const Expected& want) {
  return compare(get(got), want, got.view.dtype);
}

testing::AssertionResult compare(const std::vector<double>& got, const Expected& want, DType dtype) {
  if (got.size() != want.value.size() || got.size() != want.slack.size())
    return testing::AssertionFailure() << got.size() << " elements, expected " << want.value.size();
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double bound = want.slack[i] + roundoff(dtype) * (std::abs(want.value[i]) + want.slack[i]) + kFlushed;
    const bool same = std::abs(got[i] - want.value[i]) <= bound || (std::isnan(got[i]) && std::isnan(want.value[i]));
    if (same) continue;
    if (wrong++ == 0) first = i;
  }
  if (wrong == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << wrong << " of " << got.size() << " elements are wrong; element " << first
                                     << " is " << got[first] << ", expected " << want.value[first] << " within "
                                     << want.slack[first] + roundoff(dtype) * std::abs(want.value[first]) << " (off by "
                                     << std::abs(got[first] - want.value[first]) << ")";
}

}  // namespace wan
