// Convolutions of the VAE 2.2 decoder on one card: `bench_conv check` compares every path with a double reference on
// odd shapes; `bench_conv time [latent frames a chunk] [repeats] [own]` times each layer of a 1280x704 decode, our
// kernel beside cuDNN, and then all convolutions of 161 frames back to back at the clocks such a load leaves.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "backend/cuda/conv.h"
#include "backend/cuda/conv_cudnn.h"
#include "backend/cuda/conv_hopper.h"
#include "base/error.h"
#include "device_buffer.h"

namespace {

using namespace wan;
using benchmarks::DeviceBuffer;
using cuda::check;

void start(cuda::Context& context) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0));
  context.capability = 10 * properties.major + properties.minor;
  context.multiprocessors = properties.multiProcessorCount;
  check(cudaStreamCreateWithFlags(&context.compute, cudaStreamNonBlocking));
  fmt::print("{} ({} multiprocessors, capability {})\n", properties.name, context.multiprocessors, context.capability);
}

// ---- check
// -------------------------------------------------------------------------------------------------------------

struct Case {
  const char* what;
  int64_t frames, height, width, in, out, kt, kh, kw;
  ConvGeometry geometry;
  ConvKind kind = ConvKind::kPlain;
  bool residual = false, strided = false;
};

struct Extents {
  int64_t t, h, w;
};

Extents output_of(const Case& c) {
  if (c.kind == ConvKind::kNearestUpsample2x) return {c.frames, 2 * c.height, 2 * c.width};
  const auto& g = c.geometry;
  return {(c.frames - c.kt) / g.stride_t + 1, (c.height + g.pad_top + g.pad_bottom - c.kh) / g.stride_h + 1,
          (c.width + g.pad_left + g.pad_right - c.kw) / g.stride_w + 1};
}

struct Sum {
  double value = 0, magnitude = 0;
};

/// One output element by the definition, on the enlarged grid when the case says so.
Sum reference(const Case& c, const std::vector<float>& x, const std::vector<float>& weight, int64_t t, int64_t h,
              int64_t w, int64_t o) {
  const int64_t scale = c.kind == ConvKind::kNearestUpsample2x ? 2 : 1;
  const ConvGeometry& g = c.geometry;
  Sum sum;
  for (int64_t a = 0; a < c.kt; ++a)
    for (int64_t b = 0; b < c.kh; ++b)
      for (int64_t d = 0; d < c.kw; ++d) {
        const int64_t row = h * g.stride_h + b - (scale == 2 ? 1 : g.pad_top),
                      column = w * g.stride_w + d - (scale == 2 ? 1 : g.pad_left);
        if (row < 0 || column < 0 || row >= scale * c.height || column >= scale * c.width) continue;
        const float* pixel = &x[static_cast<size_t>(
            (((t * g.stride_t + a) * c.height + row / scale) * c.width + column / scale) * c.in)];
        for (int64_t i = 0; i < c.in; ++i) {
          const double product =
              double{pixel[i]} *
              double{weight[static_cast<size_t>((((o * c.in + i) * c.kt + a) * c.kh + b) * c.kw + d)]};
          sum.value += product;
          sum.magnitude += std::abs(product);
        }
      }
  return sum;
}

void parallel(int64_t items, const std::function<void(int64_t)>& body) {
  const int64_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::jthread> threads;
  for (int64_t k = 0; k < workers; ++k)
    threads.emplace_back([&, k] {
      for (int64_t i = k; i < items; i += workers) body(i);
    });
}

std::vector<float> normals(size_t count, float deviation, unsigned seed, DType dtype) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> values(count);
  for (float& v : values) v = dtype == DType::kBF16 ? round_to_bf16(normal(random)) : normal(random);
  return values;
}

std::vector<std::byte> packed(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * size_of(dtype));
  for (size_t i = 0; i < values.size(); ++i) {
    const BF16 narrow = to_bf16(values[i]);
    std::memcpy(&bytes[i * size_of(dtype)], dtype == DType::kBF16 ? static_cast<const void*>(&narrow) : &values[i],
                size_of(dtype));
  }
  return bytes;
}

/// Worst error over its bound (above 1 is wrong), or infinity when two runs differ or something outside y was written.
double run_case(cuda::Convolution& convolution, const cuda::Context& context, const Case& c, DType dtype) {
  const Extents y = output_of(c);
  const size_t outputs = static_cast<size_t>(y.t * y.h * y.w * c.out), element = size_of(dtype);
  const auto x = normals(static_cast<size_t>(c.frames * c.height * c.width * c.in), 1.0f, 1, dtype);
  auto weight = normals(static_cast<size_t>(c.out * c.in * c.kt * c.kh * c.kw), 8.0f, 2, dtype);
  // Whole sixteenths up to 2: sums of four are exact in bf16, so the summed kernels of an enlarging convolution add no
  // rounding.
  for (float& v : weight) v = std::clamp(std::round(v), -31.0f, 31.0f) / 16.0f;
  const auto bias = normals(static_cast<size_t>(c.out), 1.0f, 3, DType::kF32);
  const auto residual = normals(outputs, 4.0f, 4, dtype);
  const Tensor weight_view = host_tensor(weight, Shape{c.out, c.in, c.kt, c.kh, c.kw}),
               bias_view = host_tensor(bias, Shape{c.out});
  const auto prepared = convolution.prepare(weight_view, bias_view, c.kind, dtype);

  const auto x_bytes = packed(x, dtype), residual_bytes = packed(residual, dtype);
  const int64_t frame = y.h * y.w * c.out, stride = c.strided ? 2 * frame : frame;
  DeviceBuffer x_device(x_bytes.size()), residual_device(residual_bytes.size()),
      y_device(static_cast<size_t>(stride * y.t) * element);
  check(cudaMemcpy(x_device.data(), x_bytes.data(), x_bytes.size(), cudaMemcpyHostToDevice));
  check(cudaMemcpy(residual_device.data(), residual_bytes.data(), residual_bytes.size(), cudaMemcpyHostToDevice));
  const TensorView x_view(x_device.data(), dtype, Shape{c.frames, c.height, c.width, c.in}, Memory::kDevice);
  TensorView y_view(y_device.data(), dtype, Shape{y.t, y.h, y.w, c.out}, Memory::kDevice);
  y_view.strides[0] = stride;
  const TensorView residual_view =
      c.residual ? TensorView(residual_device.data(), dtype, y_view.shape, Memory::kDevice) : TensorView();
  std::vector<std::vector<std::byte>> runs(2, std::vector<std::byte>(y_device.bytes()));
  for (auto& bytes : runs) {
    check(cudaMemset(y_device.data(), 0xff, y_device.bytes()));
    convolution.forward(*prepared, x_view, c.geometry, residual_view, y_view);
    check(cudaStreamSynchronize(context.compute));
    check(cudaMemcpy(bytes.data(), y_device.data(), bytes.size(), cudaMemcpyDeviceToHost));
  }
  if (runs[0] != runs[1]) return INFINITY;
  if (c.strided &&
      std::any_of(&runs[0][static_cast<size_t>(frame) * element], &runs[0][static_cast<size_t>(stride) * element],
                  [](std::byte b) { return b != std::byte{0xff}; }))
    return INFINITY;

  std::vector<double> worst(static_cast<size_t>(y.t * y.h), 0.0);
  parallel(y.t * y.h, [&](int64_t line) {
    const int64_t t = line / y.h, h = line % y.h;
    for (int64_t w = 0; w < y.w; ++w)
      for (int64_t o = 0; o < c.out; ++o) {
        Sum sum = reference(c, x, weight, t, h, w, o);
        const auto at = static_cast<size_t>(((t * y.h + h) * y.w + w) * c.out + o);
        sum.value += double{bias[static_cast<size_t>(o)]} + (c.residual ? double{residual[at]} : 0.0);
        float got = 0;
        const std::byte* from = &runs[0][static_cast<size_t>(t * stride + (h * y.w + w) * c.out + o) * element];
        BF16 narrow;
        std::memcpy(dtype == DType::kBF16 ? static_cast<void*>(&narrow) : &got, from, element);
        if (dtype == DType::kBF16) got = to_float(narrow);
        // One rounding to the output's dtype; fp32 sums in an order of the kernel's: 2^-19 of the summed magnitudes
        // holds hundreds of truncated additions; fp32 products from bf16 parts are off by 3 * 2^-16 at most.
        const bool planes = dtype == DType::kF32 && context.capability == 90;
        const double bound = (dtype == DType::kBF16 ? 0x1p-8 : 0x1p-24) * 1.01 * std::abs(sum.value) +
                             ((planes ? 3 * 0x1p-16 : 0) + 0x1p-19) * (sum.magnitude + 1);
        const double error = std::isfinite(got) ? std::abs(got - sum.value) / bound : INFINITY;
        worst[static_cast<size_t>(line)] = std::max(worst[static_cast<size_t>(line)], error);
      }
  });
  return *std::max_element(worst.begin(), worst.end());
}

std::vector<Case> cases() {
  const ConvGeometry same{1, 1, 1, 1, 1, 1, 1}, none, down{1, 2, 2, 0, 1, 0, 1}, half_time{2, 1, 1, 0, 0, 0, 0};
  const auto up = ConvKind::kNearestUpsample2x;
  return {
      {"3x3x3", 5, 9, 11, 64, 64, 3, 3, 3, same, ConvKind::kPlain, true},
      {"3x3x3, 3 channels in", 4, 7, 5, 3, 20, 3, 3, 3, same},
      {"3x3x3, 12 channels out", 4, 13, 17, 160, 12, 3, 3, 3, same},
      {"3x3x3, odd channels, residual", 5, 6, 10, 21, 13, 3, 3, 3, same, ConvKind::kPlain, true},
      {"3x3x3, 1024 channels", 3, 8, 16, 1024, 256, 3, 3, 3, same, ConvKind::kPlain, true},
      {"3x3x3, 48 -> 96", 6, 12, 20, 48, 96, 3, 3, 3, same},
      {"3x3x3, 384 -> 192", 5, 10, 12, 384, 192, 3, 3, 3, same, ConvKind::kPlain, true},
      {"3x3x3, 128 -> 640", 4, 24, 32, 128, 640, 3, 3, 3, same, ConvKind::kPlain, true},
      {"3x3x3, strided frames", 4, 24, 33, 72, 136, 3, 3, 3, same, ConvKind::kPlain, true, true},
      {"3x3x3, one frame", 3, 44, 80, 16, 8, 3, 3, 3, same},
      {"3x1x1, strided frames", 7, 6, 9, 40, 72, 3, 1, 1, none, ConvKind::kPlain, false, true},
      {"3x1x1, every second frame", 9, 5, 7, 32, 48, 3, 1, 1, half_time},
      {"1x1x1", 3, 5, 7, 12, 33, 1, 1, 1, none, ConvKind::kPlain, true},
      {"1x1x1, 512 -> 256", 2, 17, 19, 512, 256, 1, 1, 1, none},
      {"1x3x3", 3, 9, 20, 32, 40, 1, 3, 3, same},
      {"1x3x3, every second pixel", 3, 14, 18, 24, 56, 1, 3, 3, down},
      {"1x3x3, every second pixel, odd", 2, 13, 37, 160, 160, 1, 3, 3, down},
      {"enlarging", 2, 5, 7, 32, 32, 1, 3, 3, none, up},
      {"enlarging, half the channels", 3, 6, 10, 24, 16, 1, 3, 3, none, up},
      {"enlarging, odd channels", 2, 5, 6, 20, 10, 1, 3, 3, none, up, true},
      {"enlarging, 384 -> 192", 2, 9, 17, 384, 192, 1, 3, 3, none, up},
      {"enlarging, 256 -> 512", 2, 16, 24, 256, 512, 1, 3, 3, none, up, false, true},
  };
}

int check_all(cuda::Context& context) {
  int failures = 0;
  const int capability = context.capability;
  struct Way {
    const char* what;
    DType dtype;
    int capability;
  };
  for (const Way way :
       {Way{"bf16, this card's path", DType::kBF16, capability}, Way{"bf16, other cards' path", DType::kBF16, 80},
        Way{"fp32, this card's path", DType::kF32, capability}, Way{"fp32, other cards' path", DType::kF32, 80}}) {
    context.capability = way.capability;
    cuda::Convolution convolution(context);
    for (const Case& c : cases()) {
      const double worst = run_case(convolution, context, c, way.dtype);
      failures += !(worst <= 1);
      fmt::print("{:24} {:32} error {:.3f} of its bound{}\n", way.what, c.what, worst, worst <= 1 ? "" : "   WRONG");
    }
  }
  context.capability = capability;
  return failures;
}

// ---- time
// --------------------------------------------------------------------------------------------------------------

struct Layer {
  const char* what;
  int64_t in, out, height, width, frames, kt, kh;  // input grid; kernel kt x kh x kh
  bool upsample, residual;
  int count;  // in one chunk
};

std::vector<Layer> decoder_layers(int64_t n) {
  return {
      {"conv1 48>1024 44x80", 48, 1024, 44, 80, n, 3, 3, false, false, 1},
      {"1024 44x80", 1024, 1024, 44, 80, n, 3, 3, false, false, 5},
      {"1024 44x80 +res", 1024, 1024, 44, 80, n, 3, 3, false, true, 5},
      {"time 1024 44x80", 1024, 1024, 44, 80, n, 3, 1, false, false, 2},
      {"enlarge 1024 44x80", 1024, 1024, 44, 80, 2 * n, 1, 3, true, false, 1},
      {"1024 88x160", 1024, 1024, 88, 160, 2 * n, 3, 3, false, false, 3},
      {"1024 88x160 +res", 1024, 1024, 88, 160, 2 * n, 3, 3, false, true, 3},
      {"time 1024 88x160", 1024, 1024, 88, 160, 2 * n, 3, 1, false, false, 2},
      {"enlarge 1024 88x160", 1024, 1024, 88, 160, 4 * n, 1, 3, true, false, 1},
      {"1024>512 176x320", 1024, 512, 176, 320, 4 * n, 3, 3, false, false, 1},
      {"1x1x1 1024>512 176x320", 1024, 512, 176, 320, 4 * n, 1, 1, false, false, 1},
      {"512 176x320", 512, 512, 176, 320, 4 * n, 3, 3, false, false, 2},
      {"512 176x320 +res", 512, 512, 176, 320, 4 * n, 3, 3, false, true, 3},
      {"enlarge 512 176x320", 512, 512, 176, 320, 4 * n, 1, 3, true, false, 1},
      {"512>256 352x640", 512, 256, 352, 640, 4 * n, 3, 3, false, false, 1},
      {"1x1x1 512>256 352x640", 512, 256, 352, 640, 4 * n, 1, 1, false, false, 1},
      {"256 352x640", 256, 256, 352, 640, 4 * n, 3, 3, false, false, 2},
      {"256 352x640 +res", 256, 256, 352, 640, 4 * n, 3, 3, false, true, 3},
      {"head 256>12 352x640", 256, 12, 352, 640, 4 * n, 3, 3, false, false, 1},
  };
}

/// Operations as the official convolution does them: 3x3 on the enlarged grid.
double operations(const Layer& l) {
  const double pixels = static_cast<double>(l.frames * l.height * l.width * (l.upsample ? 4 : 1));
  return 2.0 * pixels * static_cast<double>(l.in * l.out * l.kt * l.kh * l.kh);
}

cuda::ConvProblem problem_of(const Layer& l, const DeviceBuffer& x, const DeviceBuffer& w, const DeviceBuffer& bias,
                             const DeviceBuffer& y) {
  cuda::ConvProblem p;
  const int64_t scale = l.upsample ? 2 : 1, pad = l.kh / 2;
  p.x = x.data(), p.weights = w.data(), p.bias = static_cast<const float*>(bias.data()), p.y = y.data();
  p.residual = l.residual ? y.data() : nullptr;
  p.frames_in = l.frames + l.kt - 1, p.height_in = l.height, p.width_in = l.width, p.in_channels = l.in;
  p.frames = l.frames, p.height = scale * l.height, p.width = scale * l.width, p.out_channels = l.out;
  p.kernel_t = l.kt, p.kernel_h = p.kernel_w = l.kh;
  p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = pad;
  p.y_frame_stride = p.height * p.width * p.out_channels;
  p.upsample = l.upsample;
  return p;
}

struct Timing {
  double median = 0, low = 0, high = 0;  // seconds
};

Timing measure(const cuda::Context& context, int repeats, const std::function<void()>& run) {
  std::vector<cudaEvent_t> events(static_cast<size_t>(repeats) + 1);
  for (auto& event : events) check(cudaEventCreate(&event));
  run();
  check(cudaEventRecord(events[0], context.compute));
  for (int i = 1; i <= repeats; ++i) {
    run();
    check(cudaEventRecord(events[static_cast<size_t>(i)], context.compute));
  }
  check(cudaStreamSynchronize(context.compute));
  std::vector<double> seconds;
  for (size_t i = 1; i < events.size(); ++i) {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, events[i - 1], events[i]));
    seconds.push_back(1e-3 * double{ms});
  }
  for (auto& event : events) cudaEventDestroy(event);
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.front(), seconds.back()};
}

/// Fills with bf16 normals of this deviation: a megabyte of them, repeated.
void fill(const DeviceBuffer& buffer, float deviation, unsigned seed) {
  const auto bytes = packed(normals(size_t{1} << 20, deviation, seed, DType::kBF16), DType::kBF16);
  for (size_t at = 0; at < buffer.bytes(); at += bytes.size())
    check(cudaMemcpy(static_cast<std::byte*>(buffer.data()) + at, bytes.data(),
                     std::min(bytes.size(), buffer.bytes() - at), cudaMemcpyHostToDevice));
}

int time_all(cuda::Context& context, int64_t n, int repeats, bool with_library) {
  const auto layers = decoder_layers(n);
  size_t x_bytes = 0, y_bytes = 0, w_bytes = 0;
  double chunk_operations = 0;
  for (const Layer& l : layers) {
    x_bytes = std::max(x_bytes, static_cast<size_t>(2 * (l.frames + l.kt - 1) * l.height * l.width * l.in));
    y_bytes = std::max(y_bytes, static_cast<size_t>(2 * l.frames * l.height * l.width * l.out * (l.upsample ? 4 : 1)));
    w_bytes = std::max(w_bytes, static_cast<size_t>(2 * l.in * l.out * std::max<int64_t>(16, l.kt * l.kh * l.kh)));
    chunk_operations += operations(l) * l.count;
  }
  DeviceBuffer x(x_bytes), y(y_bytes), w(w_bytes), bias(8192);
  fill(x, 1.0f, 1);
  fill(w, 0.02f, 2);
  fill(y, 0.5f, 3);
  check(cudaMemset(bias.data(), 0, bias.bytes()));
  cuda::CudnnConv library(context);
  fmt::print(
      "chunks of {} latent frames, {:.1f} TFLOP each; operations counted as on the enlarged grid\n{:26} {:>6} {:>9} "
      "{:>7} {:>15} {:>8} | {:>9} {:>8}\n",
      n, chunk_operations * 1e-12, "layer", "share", "ms", "TFLOP/s", "spread ms", "of chunk", "cuDNN ms", "TFLOP/s");
  double total = 0;
  for (const Layer& l : layers) {
    const cuda::ConvProblem p = problem_of(l, x, w, bias, y);
    const Timing own = measure(context, repeats, [&] { cuda::run_hopper_conv(context, p); });
    total += own.median * l.count;
    Timing other;
    if (with_library && !l.upsample && library.run(p)) other = measure(context, repeats, [&] { library.run(p); });
    fmt::print("{:26} {:5.1f}% {:9.3f} {:7.0f} {:7.3f}-{:7.3f} {:7.3f} | {:9.3f} {:8.0f}\n", l.what,
               100 * operations(l) * l.count / chunk_operations, own.median * 1e3, operations(l) / own.median * 1e-12,
               own.low * 1e3, own.high * 1e3, own.median * l.count * 1e3, other.median * 1e3,
               other.median > 0 ? operations(l) / other.median * 1e-12 : 0.0);
    std::fflush(stdout);
  }
  const double chunks = 41.0 / static_cast<double>(n);
  fmt::print("sum of medians: {:.1f} ms a chunk, {:.3f} s for 41 latent frames\n", total * 1e3, total * chunks);
  const Timing sustained = measure(context, 2, [&] {
    for (int chunk = 0; chunk < std::lround(chunks); ++chunk)
      for (const Layer& l : layers)
        for (int i = 0; i < l.count; ++i) cuda::run_hopper_conv(context, problem_of(l, x, w, bias, y));
  });
  const double operations_done = chunk_operations * static_cast<double>(std::lround(chunks));
  fmt::print("back to back, {} chunks: {:.3f}-{:.3f} s, {:.0f} TFLOP/s as counted; {:.3f} s for 41 latent frames\n",
             std::lround(chunks), sustained.low, sustained.high, operations_done / sustained.median * 1e-12,
             sustained.median * chunks / static_cast<double>(std::lround(chunks)));
  return 0;
}

/// fp32 through the library, four frames: what `--vae-precision fp32` costs.
int time_fp32(cuda::Context& context) {
  cuda::Convolution convolution(context);
  struct Size {
    int64_t c, h, w;
  };
  for (const Size s : {Size{1024, 88, 160}, Size{512, 176, 320}, Size{256, 352, 640}}) {
    const auto weight =
        host_tensor(normals(static_cast<size_t>(27 * s.c * s.c), 0.02f, 1, DType::kF32), Shape{s.c, s.c, 3, 3, 3});
    const auto bias = host_tensor(normals(static_cast<size_t>(s.c), 1.0f, 2, DType::kF32), Shape{s.c});
    const auto prepared = convolution.prepare(weight, bias, ConvKind::kPlain, DType::kF32);
    const Shape in{6, s.h, s.w, s.c}, out{4, s.h, s.w, s.c};
    DeviceBuffer x(static_cast<size_t>(in.count()) * 4), y(static_cast<size_t>(out.count()) * 4);
    fill(x, 1.0f, 3);
    const TensorView xv(x.data(), DType::kF32, in, Memory::kDevice), yv(y.data(), DType::kF32, out, Memory::kDevice);
    const Timing t = measure(context, 3, [&] {
      convolution.forward(*prepared, xv, ConvGeometry{1, 1, 1, 1, 1, 1, 1}, {}, yv);
    });
    fmt::print("fp32 {:4} {}x{}: {:8.3f} ms {:6.1f} TFLOP/s\n", s.c, s.h, s.w, t.median * 1e3,
               54.0 * static_cast<double>(out.count() * s.c) / t.median * 1e-12);
  }
  return 0;
}

/// What cuDNN's plans reach on the heavy layers, best first in its own order.
int time_plans(cuda::Context& context) {
  const auto layers = decoder_layers(8);
  DeviceBuffer x(size_t{2} * 34 * 352 * 640 * 512), y(size_t{2} * 32 * 352 * 640 * 512), bias(8192);
  DeviceBuffer w(size_t{2} * 1024 * 1024 * 27);
  fill(x, 1.0f, 1);
  fill(w, 0.02f, 2);
  fill(y, 0.5f, 3);
  check(cudaMemset(bias.data(), 0, bias.bytes()));
  cuda::CudnnConv library(context);
  for (const Layer& l : layers) {
    if (l.count < 2 || l.residual || l.kh == 1) continue;
    for (const auto& c : library.time_plans(problem_of(l, x, w, bias, y), 6, 5))
      fmt::print("{:26} {:8.3f} ms {:6.0f} TFLOP/s  {}\n", l.what, c.best_ms, operations(l) / c.best_ms * 1e-9, c.name);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    cuda::Context context;
    start(context);
    const std::string mode = argc > 1 ? argv[1] : "check";
    if (mode == "check") return check_all(context) == 0 ? 0 : 1;
    if (mode == "time")
      return time_all(context, argc > 2 ? std::stoll(argv[2]) : 8, argc > 3 ? std::stoi(argv[3]) : 7, argc <= 4);
    if (mode == "fp32") return time_fp32(context);
    if (mode == "plans") return time_plans(context);
    fmt::print(stderr, "usage: bench_conv check | time [latent frames a chunk] [repeats] [own] | fp32 | plans\n");
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
