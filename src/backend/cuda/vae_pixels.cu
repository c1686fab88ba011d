// The VAE's parameter-free shortcuts and its pixel ends; activations are channels last.
// Algorithm: one pass each. The upward shortcut, the only big one (its output is 37 GB over a decode of 161 frames at
// 1280x704), takes eight output channels a thread: y 2 bytes read + 2 written, x read once from memory and repeated
// from cache. Bound by memory.
#include "backend/cuda/launch.h"
#include "backend/cuda/vae_pixels.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;

/// Splits a flat index of [T, H, W, C]-like items, last axis fastest.
struct Place {
  int64_t t, h, w, c;
  __device__ Place(int64_t index, int64_t height, int64_t width, int64_t channels) {
    // 32-bit division is several times cheaper and nearly always enough.
    if (index <= 0xffffffffll && channels <= 0xffffffffll) {
      const uint32_t flat = static_cast<uint32_t>(index), cs = static_cast<uint32_t>(channels);
      const uint32_t position = flat / cs, line = position / static_cast<uint32_t>(width);
      c = flat - position * cs;
      w = position - line * static_cast<uint32_t>(width);
      t = line / static_cast<uint32_t>(height);
      h = line - static_cast<uint32_t>(t) * static_cast<uint32_t>(height);
      return;
    }
    const int64_t position = index / channels, line = position / width;
    c = index - position * channels;
    w = position - line * width;
    t = line / height;
    h = line - t * height;
  }
};

struct Shortcut {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t frames = 0, height = 0, width = 0, channels = 0;  // of y
  int64_t x_frames = 0, x_height = 0, x_width = 0, x_channels = 0;
  int factor_t = 1, factor_s = 1;
  int64_t skipped = 0;  // output frames left out in front
  int64_t ratio = 1;    // up: outputs of one input channel; down: virtual channels of one output
};

/// Input channels of eight outputs are o + q / r for kStep 1 and 2 o + (q >= r) for kStep 2, with r = F or F / 2
/// outputs of an input.
template <typename X, typename Y, int kStep>
__global__ void __launch_bounds__(kThreads) dup_up_kernel(const Shortcut s) {
  const int64_t vectors = s.channels / kVector;
  const int64_t count = s.frames * s.height * s.width * vectors;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const Place place(i, s.height, s.width, vectors);
    const int64_t t = place.t + s.skipped;
    const int64_t q = ((t % s.factor_t) * s.factor_s + place.h % s.factor_s) * s.factor_s + place.w % s.factor_s;
    const X* const from =
        static_cast<const X*>(s.x) +
        ((t / s.factor_t * s.x_height + place.h / s.factor_s) * s.x_width + place.w / s.factor_s) * s.x_channels +
        place.c * kVector * kStep;
    Y* const to = static_cast<Y*>(s.y) + i * kVector;
    float v[kVector], a[kVector];
    load_vector<Cache::kStream>(to, v);
    load_vector<Cache::kKeep>(from, a);
    if constexpr (kStep == 1) {
#pragma unroll
      for (int j = 0; j < kVector; ++j) v[j] += a[j];
    } else {
      float b[kVector];
      load_vector<Cache::kKeep>(from + kVector, b);
      const bool odd = q >= s.ratio;
#pragma unroll
      for (int j = 0; j < kVector; ++j) {
        const float* const half = j < kVector / 2 ? a : b;
        v[j] += odd ? half[2 * j % kVector + 1] : half[2 * j % kVector];
      }
    }
    store_vector<Cache::kKeep>(to, v);
  }
}

template <typename X, typename Y>
__global__ void __launch_bounds__(kThreads) dup_up_any_kernel(const Shortcut s) {
  const int64_t count = s.frames * s.height * s.width * s.channels;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const Place place(i, s.height, s.width, s.channels);
    const int64_t t = place.t + s.skipped;
    const int64_t k = ((place.c * s.factor_t + t % s.factor_t) * s.factor_s + place.h % s.factor_s) * s.factor_s +
                      place.w % s.factor_s;
    const int64_t from =
        ((t / s.factor_t * s.x_height + place.h / s.factor_s) * s.x_width + place.w / s.factor_s) * s.x_channels +
        k / s.ratio;
    Y& to = static_cast<Y*>(s.y)[i];
    to = from_float<Y>(to_float(to) + to_float(static_cast<const X*>(s.x)[from]));
  }
}

template <typename X, typename Y>
__global__ void __launch_bounds__(kThreads) avg_down_kernel(const Shortcut s) {
  const int64_t count = s.frames * s.height * s.width * s.channels;
  const int64_t squared = int64_t{s.factor_s} * s.factor_s;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const Place place(i, s.height, s.width, s.channels);
    float sum = 0;
    for (int64_t k = place.c * s.ratio; k < (place.c + 1) * s.ratio; ++k) {
      const int64_t dx = k % s.factor_s, dy = k / s.factor_s % s.factor_s, dt = k / squared % s.factor_t,
                    c = k / squared / s.factor_t;
      const int64_t from = (((place.t * s.factor_t + dt) * s.x_height + place.h * s.factor_s + dy) * s.x_width +
                            place.w * s.factor_s + dx) *
                               s.x_channels +
                           c;
      sum += to_float(static_cast<const X*>(s.x)[from]);
    }
    Y& to = static_cast<Y*>(s.y)[i];
    to = from_float<Y>(to_float(to) + sum / static_cast<float>(s.ratio));
  }
}

Shortcut checked_shortcut(const TensorView& x, const TensorView& y) {
  require_op(x.rank() == 4 && y.rank() == 4 && x.is_contiguous() && y.is_contiguous() && is_float(x) && is_float(y),
             "x and y must be contiguous F32 or BF16 [T, H, W, C]");
  Shortcut s;
  s.x = x.data;
  s.y = y.data;
  s.frames = y.shape[0], s.height = y.shape[1], s.width = y.shape[2], s.channels = y.shape[3];
  s.x_frames = x.shape[0], s.x_height = x.shape[1], s.x_width = x.shape[2], s.x_channels = x.shape[3];
  return s;
}

template <typename Body>
void with_both_types(const TensorView& x, const TensorView& y, Body&& body) {
  with_float_type(x, [&]<typename X>(X* a) { with_float_type(y, [&]<typename Y>(Y* b) { body(a, b); }); });
}

struct Pixels {  // video [3, T, p H, p W] of any strides, and channels [T, H, W, 3 p p]
  void* video = nullptr;
  int64_t stride[4] = {};  // c, t, y, x
  void* channels = nullptr;
  int64_t frames = 0, height = 0, width = 0;  // of `channels`
  int patch = 1;
  __device__ int64_t count() const { return frames * height * width; }
  /// Offset in the video of channel c * p * p + r * p + s, where r is the column's offset and s the row's.
  __device__ int64_t pixel(const Place& at, int c, int r, int s) const {
    return c * stride[0] + at.t * stride[1] + (at.h * patch + s) * stride[2] + (at.w * patch + r) * stride[3];
  }
};

/// Calls `body(channel, c, r, s)` for the 3 p p channels of a position.
template <typename Body>
__device__ void for_each_channel(int patch, Body&& body) {
  for (int c = 0; c < 3; ++c) {
    for (int r = 0; r < patch; ++r) {
      for (int s = 0; s < patch; ++s) body((c * patch + r) * patch + s, c, r, s);
    }
  }
}

__device__ float clamped(float value) { return fminf(fmaxf(value, -1.0f), 1.0f); }

template <typename X>
__global__ void __launch_bounds__(kThreads) pixels_to_channels_kernel(const Pixels p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.count()) return;
  const Place at(i, p.height, p.width, 1);
  X* const to = static_cast<X*>(p.channels) + i * 3 * p.patch * p.patch;
  for_each_channel(p.patch, [&](int channel, int c, int r, int s) {
    to[channel] = from_float<X>(static_cast<const float*>(p.video)[p.pixel(at, c, r, s)]);
  });
}

template <typename X>
__global__ void __launch_bounds__(kThreads) channels_to_pixels_kernel(const Pixels p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.count()) return;
  const Place at(i, p.height, p.width, 1);
  const X* const from = static_cast<const X*>(p.channels) + i * 3 * p.patch * p.patch;
  for_each_channel(p.patch, [&](int channel, int c, int r, int s) {
    static_cast<float*>(p.video)[p.pixel(at, c, r, s)] = clamped(to_float(from[channel]));
  });
}

template <typename X>
__global__ void __launch_bounds__(kThreads) channels_to_rgb8_kernel(const Pixels p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= p.count()) return;
  const Place at(i, p.height, p.width, 1);
  const X* const from = static_cast<const X*>(p.channels) + i * 3 * p.patch * p.patch;
  for_each_channel(p.patch, [&](int channel, int c, int r, int s) {
    const float unit = (clamped(to_float(from[channel])) + 1.0f) * 0.5f;
    static_cast<uint8_t*>(p.video)[p.pixel(at, c, r, s)] = static_cast<uint8_t>(unit * 255.0f);
  });
}

Pixels checked_pixels(const TensorView& x, int64_t patch) {
  expect(patch == 1 || patch == 2, [&] { return message("patch must be 1 or 2, found {}", patch); });
  expect(x.rank() == 4 && x.is_contiguous() && is_float(x) && x.shape[3] == 3 * patch * patch, [&] {
    return message("x must be contiguous F32 or BF16 [T, H, W, {}], found {}", 3 * patch * patch, x.shape);
  });
  Pixels p;
  p.channels = x.data;
  p.frames = x.shape[0], p.height = x.shape[1], p.width = x.shape[2];
  p.patch = static_cast<int>(patch);
  return p;
}

void set_video(Pixels& p, const TensorView& pixels) {
  const Shape expected{3, p.frames, p.height * p.patch, p.width * p.patch};
  expect(pixels.shape == expected && pixels.dtype == DType::kF32,
         [&] { return message("pixels must be F32 {}, found {}", expected, pixels.shape); });
  p.video = pixels.data;
  for (int i = 0; i < 4; ++i) p.stride[i] = pixels.stride(i);
}

unsigned blocks_for(const TensorView& x) { return static_cast<unsigned>(ceil_div(x.count() / x.shape[3], kThreads)); }

}  // namespace

void dup_up_add(Context& context, TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y) {
  Shortcut s = checked_shortcut(x, y);
  if (y.count() == 0) return;
  s.factor_t = static_cast<int>(factor_t);
  s.factor_s = static_cast<int>(factor_s);
  s.skipped = drop_first ? factor_t - 1 : 0;
  const int64_t places = factor_t * factor_s * factor_s, outputs = s.channels * places;
  expect(outputs % s.x_channels == 0,
         [&] { return message("{} outputs do not divide over {} channels", outputs, s.x_channels); });
  expect(s.frames == s.x_frames * factor_t - s.skipped && s.height == s.x_height * factor_s &&
             s.width == s.x_width * factor_s,
         [&] { return message("y {} is not x {} enlarged", y.shape, x.shape); });
  s.ratio = outputs / s.x_channels;
  const bool vectors =
      s.channels % kVector == 0 && s.x_channels % kVector == 0 && is_aligned(x.data) && is_aligned(y.data);
  const int step = vectors && s.ratio == places ? 1 : vectors && 2 * s.ratio == places ? 2 : 0;
  const unsigned grid =
      grid_for(ceil_div(y.count() / (step == 0 ? 1 : kVector), kThreads), context.multiprocessors, 32);
  with_both_types(x, y, [&]<typename X, typename Y>(X*, Y*) {
    const auto kernel = step == 1   ? dup_up_kernel<X, Y, 1>
                        : step == 2 ? dup_up_kernel<X, Y, 2>
                                    : dup_up_any_kernel<X, Y>;
    kernel<<<grid, kThreads, 0, context.compute>>>(s);
  });
  check(cudaGetLastError());
}

void avg_down_add(Context& context, TensorView x, int64_t factor_t, int64_t factor_s, TensorView y) {
  Shortcut s = checked_shortcut(x, y);
  if (y.count() == 0) return;
  s.factor_t = static_cast<int>(factor_t);
  s.factor_s = static_cast<int>(factor_s);
  const int64_t inputs = s.x_channels * factor_t * factor_s * factor_s;
  expect(inputs % s.channels == 0,
         [&] { return message("{} inputs do not divide over {} channels", inputs, s.channels); });
  expect(s.x_frames == s.frames * factor_t && s.x_height == s.height * factor_s && s.x_width == s.width * factor_s,
         [&] { return message("y {} is not x {} reduced", y.shape, x.shape); });
  s.ratio = inputs / s.channels;
  with_both_types(x, y, [&]<typename X, typename Y>(X*, Y*) {
    avg_down_kernel<X, Y>
        <<<grid_for(ceil_div(y.count(), kThreads), context.multiprocessors, 32), kThreads, 0, context.compute>>>(s);
  });
  check(cudaGetLastError());
}

void pixels_to_channels(Context& context, TensorView pixels, int64_t patch, TensorView x) {
  Pixels p = checked_pixels(x, patch);
  set_video(p, pixels);
  if (x.count() == 0) return;
  with_float_type(
      x, [&]<typename X>(X*) { pixels_to_channels_kernel<X><<<blocks_for(x), kThreads, 0, context.compute>>>(p); });
  check(cudaGetLastError());
}

void channels_to_pixels(Context& context, TensorView x, int64_t patch, TensorView pixels) {
  Pixels p = checked_pixels(x, patch);
  set_video(p, pixels);
  if (x.count() == 0) return;
  with_float_type(
      x, [&]<typename X>(X*) { channels_to_pixels_kernel<X><<<blocks_for(x), kThreads, 0, context.compute>>>(p); });
  check(cudaGetLastError());
}

void channels_to_rgb8(Context& context, TensorView x, int64_t patch, TensorView frames) {
  Pixels p = checked_pixels(x, patch);
  const Shape expected{p.frames, p.height * patch, p.width * patch, 3};
  expect(frames.shape == expected && frames.is_contiguous(),
         [&] { return message("frames must be U8 {}, found {}", expected, frames.shape); });
  if (x.count() == 0) return;
  p.video = frames.as<uint8_t>();
  p.stride[0] = 1;
  for (int i = 1; i < 4; ++i) p.stride[i] = frames.stride(i - 1);
  with_float_type(
      x, [&]<typename X>(X*) { channels_to_rgb8_kernel<X><<<blocks_for(x), kThreads, 0, context.compute>>>(p); });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
