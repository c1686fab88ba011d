// The VAE's operations in double, written from their formulas in the source's channel-first terms.
#include <cmath>

#include "reference.h"

namespace wan::reference {
namespace {

constexpr double kUnit = kFloatRoundoff;

size_t at(int64_t i) { return static_cast<size_t>(i); }

int64_t index(int64_t t, int64_t h, int64_t w, int64_t c, int64_t height, int64_t width, int64_t channels) {
  return ((t * height + h) * width + w) * channels + c;
}

}  // namespace

Expected conv(const Values& x, const Values& weight, const Values& bias, const Values& residual, const ConvShape& s,
              const ConvGeometry& g, double product_error) {
  const int64_t frames = (s.frames - s.kernel_t) / g.stride_t + 1;
  const int64_t height = (s.height + g.pad_top + g.pad_bottom - s.kernel_h) / g.stride_h + 1;
  const int64_t width = (s.width + g.pad_left + g.pad_right - s.kernel_w) / g.stride_w + 1;
  const int64_t taps = s.kernel_t * s.kernel_h * s.kernel_w;
  Expected out(frames * height * width * s.out_channels);
  for (int64_t i = 0; i < static_cast<int64_t>(out.value.size()); ++i) {
    const int64_t o = i % s.out_channels, column = i / s.out_channels % width;
    const int64_t row = i / s.out_channels / width % height, t = i / s.out_channels / width / height;
    double total = bias[at(o)] + (residual.empty() ? 0 : residual[at(i)]);
    double size = std::abs(bias[at(o)]) + (residual.empty() ? 0 : std::abs(residual[at(i)]));
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t a = tap / (s.kernel_h * s.kernel_w), b = tap / s.kernel_w % s.kernel_h, c = tap % s.kernel_w;
      const int64_t h = row * g.stride_h + b - g.pad_top, w = column * g.stride_w + c - g.pad_left;
      if (h < 0 || h >= s.height || w < 0 || w >= s.width) continue;
      for (int64_t ci = 0; ci < s.in_channels; ++ci) {
        const double term = x[at(index(t * g.stride_t + a, h, w, ci, s.height, s.width, s.in_channels))] *
                            weight[at((o * s.in_channels + ci) * taps + tap)];
        total += term;
        size += std::abs(term);
      }
    }
    out.value[at(i)] = total;
    out.slack[at(i)] = (sum_factor(s.in_channels * taps) * kUnit + product_error) * size;
  }
  return out;
}

Values enlarged(const Values& x, int64_t frames, int64_t height, int64_t width, int64_t channels) {
  Values out;
  for (int64_t t = 0; t < frames; ++t)
    for (int64_t h = 0; h < 2 * height; ++h)
      for (int64_t w = 0; w < 2 * width; ++w)
        for (int64_t c = 0; c < channels; ++c) out.push_back(x[at(index(t, h / 2, w / 2, c, height, width, channels))]);
  return out;
}

Expected channel_norm(const Values& x, const Values& gamma, int64_t channels, Activation kind) {
  Expected out(static_cast<int64_t>(x.size()));
  for (size_t begin = 0; begin < x.size(); begin += at(channels)) {
    double squares = 0;
    for (size_t i = begin; i < begin + at(channels); ++i) squares += x[i] * x[i];
    const double scale = std::sqrt(static_cast<double>(channels)) / std::max(std::sqrt(squares), 1e-12);
    for (size_t i = begin; i < begin + at(channels); ++i) {
      out.value[i] = x[i] * scale * gamma[i - begin];
      out.slack[i] = sum_factor(channels) * kUnit * std::abs(out.value[i]);
    }
  }
  return activate(std::move(out), kind);
}

Expected dup_up_add(const Values& x, const Values& y, const ShortcutShape& s, bool drop_first) {
  const int64_t ft = s.factor_t, fs = s.factor_s, dropped = drop_first ? ft - 1 : 0;
  const int64_t repeats = s.out_channels * ft * fs * fs / s.in_channels;
  const int64_t height = s.height * fs, width = s.width * fs;
  Expected out(static_cast<int64_t>(y.size()));
  // Channels repeated r times are taken apart into (o, dt, dy, dx), as the source does with a view and a permutation.
  for (int64_t virtual_channel = 0; virtual_channel < s.in_channels * repeats; ++virtual_channel) {
    const int64_t dx = virtual_channel % fs, dy = virtual_channel / fs % fs, dt = virtual_channel / fs / fs % ft;
    const int64_t o = virtual_channel / fs / fs / ft;
    for (int64_t t = 0; t < s.frames; ++t) {
      const int64_t frame = t * ft + dt - dropped;
      if (frame < 0) continue;
      for (int64_t h = 0; h < s.height; ++h) {
        for (int64_t w = 0; w < s.width; ++w) {
          const size_t to = at(index(frame, h * fs + dy, w * fs + dx, o, height, width, s.out_channels));
          out.value[to] = y[to] + x[at(index(t, h, w, virtual_channel / repeats, s.height, s.width, s.in_channels))];
        }
      }
    }
  }
  return out;
}

Expected avg_down_add(const Values& x, const Values& y, const ShortcutShape& s) {
  const int64_t ft = s.factor_t, fs = s.factor_s;
  const int64_t group = s.in_channels * ft * fs * fs / s.out_channels;
  Expected out(static_cast<int64_t>(y.size()));
  Values size(y.size());
  out.value = y;
  for (int64_t c = 0; c < s.in_channels; ++c) {
    for (int64_t t = 0; t < s.frames * ft; ++t) {
      for (int64_t h = 0; h < s.height * fs; ++h) {
        for (int64_t w = 0; w < s.width * fs; ++w) {
          const int64_t virtual_channel = ((c * ft + t % ft) * fs + h % fs) * fs + w % fs;
          const size_t to =
              at(index(t / ft, h / fs, w / fs, virtual_channel / group, s.height, s.width, s.out_channels));
          const double term =
              x[at(index(t, h, w, c, s.height * fs, s.width * fs, s.in_channels))] / static_cast<double>(group);
          out.value[to] += term;
          size[to] += std::abs(term);
        }
      }
    }
  }
  for (size_t i = 0; i < y.size(); ++i) out.slack[i] = sum_factor(group) * kUnit * size[i];
  return out;
}

}  // namespace wan::reference
