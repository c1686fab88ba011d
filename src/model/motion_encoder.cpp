#include "model/motion_encoder.h"

#include <cmath>
#include <numbers>
#include <string>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr const char* kConvs = "motion_encoder.enc.net_app.convs.";
constexpr int64_t kColours = 3;
constexpr int64_t kHalf = 2;  // a level's sides of the one's before
constexpr int64_t kPlainPad = 1, kHalvingPad = 2, kSkipPad = 1;
constexpr float kRoot = std::numbers::sqrt2_v<float>;  // by which the source multiplies behind each activation

/// Its stored tensors, on the host.
class Stored {
 public:
  Stored(const AnimateConfig& config, const WeightSource& source)
      : layout_(motion_encoder_layout(config)), source_(source) {}

  Tensor read(const std::string& name) const {
    for (const WeightSlot& slot : layout_.slots()) {
      if (slot.name != name) continue;
      Tensor values = host_tensor(DType::kF32, slot.shape);
      source_.read(slot.parts.front(), 0, values->count(), DType::kF32, values->data);
      return values;
    }
    throw Error(fmt::format("the motion encoder has no {}", name));
  }

  /// Divided by the square root of what each output sums over, times `factor`.
  Tensor equalised(const std::string& name, float factor = 1) const {
    Tensor values = read(name);
    const int64_t inputs = values->count() / values->shape[0];
    const float scale = factor / std::sqrt(static_cast<float>(inputs));
    for (int64_t i = 0; i < values->count(); ++i) values->as<float>()[i] *= scale;
    return values;
  }

  /// A bias [1, C, 1, 1] as [C].
  Tensor bias(const std::string& name, float factor = 1) const {
    const Tensor stored = read(name);
    Tensor out = host_tensor(DType::kF32, {stored->count()});
    for (int64_t i = 0; i < out->count(); ++i) out->as<float>()[i] = stored->as<float>()[i] * factor;
    return out;
  }

 private:
  WeightLayout layout_;
  const WeightSource& source_;
};

Tensor zeros(int64_t count) {
  Tensor out = host_tensor(DType::kF32, {count});
  std::fill_n(out->as<float>(), count, 0.0f);
  return out;
}

/// Weights [O, I, k, k] as the one convolution that `blur` [t, t] and they are: [O, I, k + t - 1, k + t - 1].
Tensor behind_blur(const Tensor& weight, const Tensor& blur) {
  const int64_t side = weight->shape[2], taps = blur->shape[0], all = side + taps - 1;
  const int64_t kernels = weight->shape[0] * weight->shape[1];
  Tensor out = host_tensor(DType::kF32, {weight->shape[0], weight->shape[1], all, all});
  const float* blurred = blur->as<float>();
  for (int64_t kernel = 0; kernel < kernels; ++kernel) {
    const float* from = weight->as<float>() + kernel * side * side;
    float* to = out->as<float>() + kernel * all * all;
    for (int64_t row = 0; row < all; ++row)
      for (int64_t column = 0; column < all; ++column) {
        double sum = 0;
        for (int64_t y = std::max<int64_t>(0, row - taps + 1); y <= std::min(side - 1, row); ++y)
          for (int64_t x = std::max<int64_t>(0, column - taps + 1); x <= std::min(side - 1, column); ++x)
            sum += double{from[y * side + x]} * blurred[(row - y) * taps + column - x];
        to[row * all + column] = static_cast<float>(sum);
      }
  }
  return out;
}

Tensor on_device(Backend& backend, const std::vector<double>& values, const Shape& shape) {
  const Tensor host = host_tensor(DType::kF32, shape);
  for (size_t i = 0; i < values.size(); ++i) host->as<float>()[i] = static_cast<float>(values[i]);
  Tensor device = backend.allocate(DType::kF32, shape, "motion encoder weights");
  backend.upload(host, device);
  return device;
}

/// As the probe's names have them: [1, H, W, C] becomes [1, C, H, W].
void show(Probe* probe, const char* name, const TensorView& x) {
  if (probe != nullptr) probe->tensor(name, x.permute({0, 3, 1, 2}));
}

}  // namespace

Tensor orthonormal_directions(TensorView directions) {
  const int64_t rows = directions.shape[0], columns = directions.shape[1];
  require_op(directions.is_contiguous() && columns <= rows, "directions are [m, n], n at most m");
  constexpr float kOffset = 1e-8f;
  const auto at = [columns](std::vector<double>& matrix, int64_t row, int64_t column) -> double& {
    return matrix[static_cast<size_t>(row * columns + column)];
  };
  std::vector<double> a(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows * columns; ++i) a[static_cast<size_t>(i)] = directions.as<float>()[i] + kOffset;
  std::vector<std::vector<double>> reflections;
  const auto reflect = [&](std::vector<double>& matrix, int64_t from, const std::vector<double>& v) {
    for (int64_t column = 0; column < columns; ++column) {
      double product = 0;
      for (int64_t row = from; row < rows; ++row) product += v[static_cast<size_t>(row)] * at(matrix, row, column);
      for (int64_t row = from; row < rows; ++row) at(matrix, row, column) -= 2 * product * v[static_cast<size_t>(row)];
    }
  };
  for (int64_t j = 0; j < columns; ++j) {
    std::vector<double> v(static_cast<size_t>(rows));
    double squares = 0;
    for (int64_t row = j; row < rows; ++row) squares += at(a, row, j) * at(a, row, j);
    const double pivot = at(a, j, j), diagonal = -std::copysign(std::sqrt(squares), pivot);
    double length = 0;
    for (int64_t row = j; row < rows; ++row) {
      double& each = v[static_cast<size_t>(row)] = at(a, row, j) - (row == j ? diagonal : 0);
      length += each * each;
    }
    for (double& each : v) each = length > 0 ? each / std::sqrt(length) : 0;
    reflect(a, j, v);
    reflections.push_back(std::move(v));
  }
  std::vector<double> q(a.size());
  for (int64_t i = 0; i < columns; ++i) at(q, i, i) = 1;
  for (int64_t j = columns - 1; j >= 0; --j) reflect(q, j, reflections[static_cast<size_t>(j)]);
  Tensor out = host_tensor(DType::kF32, directions.shape);
  for (size_t i = 0; i < q.size(); ++i) out->as<float>()[i] = static_cast<float>(q[i]);
  return out;
}

uint64_t face_activation_bytes(const AnimateConfig& c) {
  int64_t positions = c.face_side() * c.face_side(), values = positions * (kColours + c.level_widths[0]);
  for (size_t i = 1; i <= static_cast<size_t>(c.levels); ++i) {
    values += positions * c.level_widths[i - 1];
    positions /= kHalf * kHalf;
    values += positions * c.level_widths[i];
  }
  return static_cast<uint64_t>(values) * sizeof(float);
}

uint64_t motion_encoder_bytes(const AnimateConfig& c) {
  constexpr int64_t kPlain = 3, kSkip = 1;  // sides of kernels
  const auto kernel = [](int64_t side) { return side * side; };
  int64_t values = c.level_widths[0] * (kColours + 1);
  for (size_t i = 1; i <= static_cast<size_t>(c.levels); ++i) {
    const int64_t in = c.level_widths[i - 1], out = c.level_widths[i];
    values += in * (in * kernel(kPlain) + 1);
    values += out * (in * (kernel(kPlain + kMotionBlurTaps - 1) + kernel(kSkip + kMotionBlurTaps - 1)) + 2);
  }
  const int64_t last = c.level_widths[static_cast<size_t>(c.levels)] * kernel(AnimateConfig::kLastSide);
  values += c.motion_dim * (last + 1 + 2 * c.motion_codes) + c.motion_codes;
  return static_cast<uint64_t>(values) * sizeof(float);
}

MotionEncoder::MotionEncoder(Backend& backend, const AnimateConfig& config, const WeightSource& source)
    : backend_(backend), config_(config) {
  const Stored stored(config, source);
  const auto prepare = [&](const Tensor& weight, const Tensor& bias) {
    return backend.prepare_conv(weight, bias, ConvKind::kPlain, DType::kF32);
  };
  const std::string first = std::string(kConvs) + "0.";
  first_ = prepare(stored.equalised(first + "0.weight", kRoot), stored.bias(first + "1.bias", kRoot));
  for (int64_t i = 1; i <= config.levels; ++i) {
    const std::string p = fmt::format("{}{}.", kConvs, i);
    Level level;
    // The activation's factor goes ahead of it, and the level's 1 / sqrt(2) into both of its branches.
    level.plain = prepare(stored.equalised(p + "conv1.0.weight", kRoot), stored.bias(p + "conv1.1.bias", kRoot));
    level.halving = prepare(behind_blur(stored.equalised(p + "conv2.1.weight"), stored.read(p + "conv2.0.kernel")),
                            stored.bias(p + "conv2.2.bias"));
    const Tensor skip = stored.equalised(p + "skip.1.weight", 1 / kRoot);
    level.skip = prepare(behind_blur(skip, stored.read(p + "skip.0.kernel")), zeros(skip->shape[0]));
    levels_.push_back(std::move(level));
  }
  last_ = prepare(stored.equalised(fmt::format("{}{}.weight", kConvs, config.levels + 1)), zeros(config.motion_dim));

  // The last step's matrix, times those before it from the right.
  const int64_t codes = config.motion_codes, width = config.motion_dim;
  std::vector<double> matrix, bias(static_cast<size_t>(codes));
  for (int64_t step = kMotionLinearSteps - 1; step >= 0; --step) {
    const std::string p = fmt::format("motion_encoder.enc.fc.{}.", step);
    const Tensor weight = stored.equalised(p + "weight"), add = stored.read(p + "bias");
    const auto w = [&](int64_t row, int64_t column) { return double{weight->as<float>()[row * width + column]}; };
    const bool is_last = matrix.empty();
    std::vector<double> product(static_cast<size_t>(codes * width));
    for (int64_t row = 0; row < codes; ++row) {
      double* out = product.data() + row * width;
      if (is_last) bias[static_cast<size_t>(row)] += add->as<float>()[row];
      for (int64_t k = 0; k < (is_last ? 1 : width); ++k) {
        const double factor = is_last ? 1 : matrix[static_cast<size_t>(row * width + k)];
        if (!is_last) bias[static_cast<size_t>(row)] += factor * add->as<float>()[k];
        for (int64_t column = 0; column < width; ++column) out[column] += factor * w(is_last ? row : k, column);
      }
    }
    matrix = std::move(product);
  }
  codes_weight_ = on_device(backend, matrix, {codes, width});
  codes_bias_ = on_device(backend, bias, {codes});
  const Tensor directions = orthonormal_directions(stored.read("motion_encoder.dec.direction.weight"));
  directions_ = backend.allocate(DType::kF32, directions->shape, "motion encoder weights");
  backend.upload(directions, directions_);
  Arena dry = Arena::dry();
  lay_out(dry);
  block_ = backend.allocate(DType::kU8, {static_cast<int64_t>(dry.peak())}, "face activations");
  Arena arena(block_);
  lay_out(arena);
}

/// What a face becomes on its way, kept from face to face.
void MotionEncoder::lay_out(Arena& arena) {
  int64_t side = config_.face_side();
  const auto blank = [&](int64_t of_side, int64_t width) {
    return arena.allocate(DType::kF32, {1, of_side, of_side, width}, "face");
  };
  colours_ = blank(side, kColours);
  entered_ = blank(side, config_.level_widths[0]);
  for (size_t i = 0; i < levels_.size(); ++i) {
    levels_[i].plain_out = blank(side, config_.level_widths[i]);
    side /= kHalf;
    levels_[i].out = blank(side, config_.level_widths[i + 1]);
  }
}

void MotionEncoder::encode_face(TensorView pixels, TensorView row, Probe* probe) {
  Backend& b = backend_;
  const int64_t side = config_.face_side();
  require_op(pixels.shape == Shape({3, 1, side, side}), "a face is F32 [3, 1, side, side]");
  b.pixels_to_channels(pixels, 1, colours_);
  TensorView h = entered_;
  b.conv(*first_, colours_, {}, {}, h);
  b.activate(h, Activation::kLeakyRelu, h);
  show(probe, "motion_encoder.convs.0", h);
  const auto padded = [](int64_t stride, int64_t pad) { return ConvGeometry{1, stride, stride, pad, pad, pad, pad}; };
  for (const Level& level : levels_) {
    const TensorView &a = level.plain_out, &next = level.out;
    b.conv(*level.plain, h, padded(1, kPlainPad), {}, a);
    b.activate(a, Activation::kLeakyRelu, a);
    b.conv(*level.halving, a, padded(kHalf, kHalvingPad), {}, next);
    b.activate(next, Activation::kLeakyRelu, next);
    b.conv(*level.skip, h, padded(kHalf, kSkipPad), next, next);
    h = next;
    if (&level == &levels_.front()) show(probe, "motion_encoder.convs.1", h);
  }
  b.conv(*last_, h, {}, {}, row.reshape({1, 1, 1, config_.motion_dim}));
}

Tensor MotionEncoder::motion(TensorView rows, Probe* probe) {
  const Tensor codes = backend_.allocate(DType::kF32, {rows.shape[0], config_.motion_codes}, "face codes");
  backend_.linear(rows, codes_weight_, codes_bias_, Activation::kNone, codes);
  if (probe != nullptr) probe->tensor("motion_encoder.code", codes);
  Tensor out = backend_.allocate(DType::kF32, rows.shape, "face motion");
  backend_.linear(codes, directions_, {}, Activation::kNone, out);
  if (probe != nullptr) probe->tensor("motion_encoder.motion", out);
  backend_.synchronize();
  return out;
}

}  // namespace wan
