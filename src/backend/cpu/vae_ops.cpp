// The VAE's operations other than convolution: normalisation over channels and the parameter-free shortcuts.
#include <algorithm>
#include <cmath>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/math.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

/// channels_a * factors must be a whole multiple of channels_b; returns the multiple.
int64_t channel_group(int64_t channels_a, int64_t channels_b, int64_t factor_t, int64_t factor_s) {
  const int64_t together = channels_a * factor_t * factor_s * factor_s;
  require_op(factor_t > 0 && factor_s > 0 && channels_b > 0 && together > 0 && together % channels_b == 0,
             "channels and factors do not fit: " + std::to_string(channels_a) + " and " + std::to_string(channels_b) +
                 " channels, factors " + std::to_string(factor_t) + " and " + std::to_string(factor_s));
  return together / channels_b;
}

void require_volume(const TensorView& view, const char* name) {
  require_packed(view, name);
  require_op(view.rank() == 4, std::string(name) + " must be [T, H, W, C], found " + view.shape.text());
}

}  // namespace

void CpuBackend::channel_norm(TensorView x, TensorView gamma, Activation activation, TensorView y) {
  require_packed(x, "x");
  require_packed(y, "y");
  require_shape(y, x.shape, "y");
  require_op(x.rank() >= 1, "x needs a channel axis");
  const int64_t channels = x.shape[-1];
  require_vector(gamma, channels, "gamma");
  const float* g = floats_at(gamma, 0, channels, scratch(Slot::kBias, channels));
  float* buffers = scratch(Slot::kRows, threads_ * channels);
  const double root = std::sqrt(static_cast<double>(channels));
  parallel_for(threads_, channels == 0 ? 0 : x.count() / channels, channels, [&](int64_t row, int thread) {
    float* values = buffers + thread * channels;
    const float* in = floats_at(x, row * channels, channels, values);
    const double norm = std::sqrt(sum_of_squares(in, channels, 0));
    const float scale = static_cast<float>(root / std::max(norm, 1e-12));
    for (int64_t i = 0; i < channels; ++i) values[i] = in[i] * scale * g[i];
    apply(activation, values, channels);
    store(values, channels, y, row * channels);
  });
}

void CpuBackend::dup_up_add(TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y) {
  require_volume(x, "x");
  require_volume(y, "y");
  const int64_t in = x.shape[3], out = y.shape[3], ft = factor_t, fs = factor_s;
  const int64_t repeat = channel_group(out, in, ft, fs);
  const int64_t dropped = drop_first ? ft - 1 : 0;
  require_shape(y, {x.shape[0] * ft - dropped, x.shape[1] * fs, x.shape[2] * fs, out}, "y");
  parallel_for(threads_, y.shape[0] * y.shape[1], y.shape[2] * out, [&](int64_t line, int) {
    const int64_t t = line / y.shape[1] + dropped, h = line % y.shape[1];
    const int64_t dt = t % ft, dy = h % fs;
    for (int64_t w = 0; w < y.shape[2]; ++w) {
      const int64_t from = ((t / ft * x.shape[1] + h / fs) * x.shape[2] + w / fs) * in;
      const int64_t to = (line * y.shape[2] + w) * out;
      for (int64_t o = 0; o < out; ++o) {
        const int64_t channel = (((o * ft + dt) * fs + dy) * fs + w % fs) / repeat;
        store_one(load_one(y, to + o) + load_one(x, from + channel), y, to + o);
      }
    }
  });
}

void CpuBackend::avg_down_add(TensorView x, int64_t factor_t, int64_t factor_s, TensorView y) {
  require_volume(x, "x");
  require_volume(y, "y");
  const int64_t in = x.shape[3], out = y.shape[3], ft = factor_t, fs = factor_s;
  const int64_t group = channel_group(in, out, ft, fs);
  require_shape(x, {y.shape[0] * ft, y.shape[1] * fs, y.shape[2] * fs, in}, "x");
  parallel_for(threads_, y.shape[0] * y.shape[1], y.shape[2] * out, [&](int64_t line, int) {
    const int64_t t = line / y.shape[1], h = line % y.shape[1];
    for (int64_t w = 0; w < y.shape[2]; ++w) {
      const int64_t to = (line * y.shape[2] + w) * out;
      for (int64_t o = 0; o < out; ++o) {
        float total = 0;
        for (int64_t k = o * group; k < (o + 1) * group; ++k) {
          const int64_t dx = k % fs, dy = k / fs % fs, dt = k / (fs * fs) % ft, c = k / (fs * fs * ft);
          total += load_one(x, (((t * ft + dt) * x.shape[1] + h * fs + dy) * x.shape[2] + w * fs + dx) * in + c);
        }
        store_one(load_one(y, to + o) + total / static_cast<float>(group), y, to + o);
      }
    }
  });
}

}  // namespace wan::cpu
