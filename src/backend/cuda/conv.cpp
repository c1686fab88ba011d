// Chooses how each convolution runs and prepares weights, channels and edges for it.
#include "backend/cuda/conv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "backend/cuda/conv_cudnn.h"
#include "backend/cuda/conv_direct.h"
#include "backend/cuda/conv_hopper.h"
#include "backend/cuda/conv_layout.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr size_t kStagingBytes = size_t{32} << 20;  // source weights on the device at a time

int64_t round_up(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

class PreparedWeights final : public ConvWeights {
 public:
  PreparedWeights(size_t weight_bytes, size_t bias_bytes, const std::shared_ptr<MemoryLedger>& ledger)
      : weights_(weight_bytes, "convolution weights", ledger), bias_(bias_bytes, "convolution bias", ledger) {
    device_bytes = weight_bytes + bias_bytes;
  }
  void* weights() const { return weights_.data(); }
  float* bias() const { return static_cast<float*>(bias_.data()); }

  ConvKind kind = ConvKind::kPlain;
  DType compute = DType::kBF16;
  bool summed = false;  // kNearestUpsample2x with weights for the small grid
  int64_t in_channels_padded = 0, out_channels_padded = 0;

 private:
  DeviceMemory weights_, bias_;
};

/// Fetches `rows` rows of `from` to the device, converted by `place(device pointer, first row, rows)`, a few at a time.
template <typename Place>
void stage_rows(Context& context, TensorView from, int64_t rows, Place place) {
  const size_t row_bytes = from.bytes() / static_cast<size_t>(rows);
  const int64_t at_once = std::clamp<int64_t>(static_cast<int64_t>(kStagingBytes / row_bytes), 1, rows);
  void* staging = context.scratch.reserve(static_cast<size_t>(at_once) * row_bytes);
  for (int64_t first = 0; first < rows; first += at_once) {
    const int64_t count = std::min(at_once, rows - first);
    const auto* source = static_cast<const std::byte*>(from.data) + static_cast<size_t>(first) * row_bytes;
    check(cudaMemcpyAsync(staging, source, static_cast<size_t>(count) * row_bytes, cudaMemcpyDefault, context.compute));
    place(staging, first, count);
  }
}

/// The problem without pointers of scratch: what the call says.
ConvProblem describe(const PreparedWeights& w, TensorView x, const ConvGeometry& g, TensorView residual, TensorView y) {
  ConvProblem p;
  p.dtype = w.compute;
  p.x = x.data;
  p.weights = w.weights();
  p.bias = w.bias();
  p.residual = residual.data;
  p.y = y.data;
  p.frames_in = x.shape[0], p.height_in = x.shape[1], p.width_in = x.shape[2], p.in_channels = w.in_channels;
  p.frames = y.shape[0], p.height = y.shape[1], p.width = y.shape[2], p.out_channels = w.out_channels;
  p.kernel_t = w.kernel_t, p.kernel_h = w.kernel_h, p.kernel_w = w.kernel_w;
  p.stride_t = g.stride_t, p.stride_h = g.stride_h, p.stride_w = g.stride_w;
  p.pad_top = g.pad_top, p.pad_bottom = g.pad_bottom, p.pad_left = g.pad_left, p.pad_right = g.pad_right;
  p.y_frame_stride = y.shape[0] > 1 ? y.stride(0) : y.shape[1] * y.shape[2] * y.shape[3];
  return p;
}

void require_shapes(const PreparedWeights& w, TensorView x, const ConvGeometry& g, TensorView residual, TensorView y) {
  require_op(x.rank() == 4 && y.rank() == 4, "x and y must be [T, H, W, C]");
  require_op(x.dtype == w.compute && y.dtype == w.compute, "x and y must have the dtype the weights were prepared for");
  require_op(x.is_contiguous(), "x must be contiguous");
  require_op(
      x.shape[3] == w.in_channels && y.shape[3] == w.out_channels,
      fmt::format("channels {} -> {} expected, found {} -> {}", w.in_channels, w.out_channels, x.shape[3], y.shape[3]));
  const bool upsample = w.kind == ConvKind::kNearestUpsample2x;
  const auto extent = [](int64_t in, int64_t pad, int64_t kernel, int64_t stride) {
    return (in + pad - kernel) / stride + 1;
  };
  const int64_t scale = upsample ? 2 : 1, edge = upsample ? 2 : 0;
  const Shape expected{extent(x.shape[0], 0, w.kernel_t, g.stride_t),
                       extent(x.shape[1] * scale, upsample ? edge : g.pad_top + g.pad_bottom, w.kernel_h, g.stride_h),
                       extent(x.shape[2] * scale, upsample ? edge : g.pad_left + g.pad_right, w.kernel_w, g.stride_w),
                       w.out_channels};
  require_op(x.shape[0] >= w.kernel_t && y.shape == expected,
             fmt::format("x {} gives y {}, found {}", x.shape.text(), expected.text(), y.shape.text()));
  require_op(!upsample || (g.stride_t == 1 && g.stride_h == 1 && g.stride_w == 1),
             "enlarging convolutions have stride 1");
  require_op(y.shape[0] == 0 || y.at(0).is_contiguous(), "frames of y must be contiguous");
  require_op(residual.empty() || (residual.is_contiguous() && residual.dtype == w.compute && residual.shape == y.shape),
             "residual must be contiguous, of y's shape and dtype");
}

}  // namespace

struct Convolution::State {
  explicit State(Context& c) : context(c), loader{.ledger = c.ledger} {
    check(cudaStreamCreateWithFlags(&loading, cudaStreamNonBlocking));
    loader.ordinal = c.ordinal;
    loader.capability = c.capability;
    loader.multiprocessors = c.multiprocessors;
    loader.compute = loader.copy = loading;
  }
  ~State() { cudaStreamDestroy(loading); }

  bool uses_hopper() const { return context.capability == 90; }
  CudnnConv& library() {
    if (cudnn == nullptr) cudnn = std::make_unique<CudnnConv>(context);
    return *cudnn;
  }

  void run_on_hopper(const PreparedWeights& w, ConvProblem p);
  void run_with_library(const PreparedWeights& w, ConvProblem p);
  void run_elsewhere(const PreparedWeights& w, const ConvProblem& p, std::byte* padded_output);

  Context& context;
  // Weights are prepared on a stream and scratch of their own, so that loading never waits for what the device
  // computes; their memory is counted with all other.
  cudaStream_t loading = nullptr;
  Context loader;
  std::unique_ptr<CudnnConv> cudnn;  // started by the first convolution that needs it
};

/// Our own kernel; pads channels, mends alignment and splits F32 into planes through scratch memory.
void Convolution::State::run_on_hopper(const PreparedWeights& w, ConvProblem p) {
  const int64_t pixels = p.frames_in * p.height_in * p.width_in;
  const bool splits = p.dtype == DType::kF32;
  if (splits || w.in_channels_padded != w.in_channels || reinterpret_cast<uintptr_t>(p.x) % 16 != 0) {
    const int64_t planes = splits ? 2 : 1;
    void* scratch = context.scratch.reserve(static_cast<size_t>(planes * pixels * w.in_channels_padded) * sizeof(BF16));
    if (splits)
      split_columns(context, p.x, w.in_channels, scratch, w.in_channels_padded, pixels);
    else
      copy_columns(context, p.x, w.in_channels, scratch, w.in_channels_padded, pixels, p.dtype);
    p.x = scratch;
  }
  p.in_channels = w.in_channels_padded;
  p.upsample = w.summed;
  require_op(hopper_conv_accepts(context, p), "strides up to 8 expected");
  run_hopper_conv(context, p);
}

/// cuDNN; pads channels, enlarges and gathers strided output through scratch memory.
void Convolution::State::run_with_library(const PreparedWeights& w, ConvProblem p) {
  const int64_t element = static_cast<int64_t>(size_of(p.dtype));
  const int64_t pixels = p.frames_in * p.height_in * p.width_in;
  const bool copies = w.in_channels_padded != w.in_channels || reinterpret_cast<uintptr_t>(p.x) % 16 != 0;
  const bool enlarges = w.kind == ConvKind::kNearestUpsample2x;
  const bool y_is_strided = p.frames > 1 && p.y_frame_stride != p.height * p.width * p.out_channels;
  const bool pads_output = w.out_channels_padded != w.out_channels || y_is_strided;
  const auto padded_bytes = copies ? round_up(pixels * w.in_channels_padded * element, 1024) : 0;
  const auto large_bytes = enlarges ? round_up(4 * pixels * w.in_channels_padded * element, 1024) : 0;
  const auto output_bytes = pads_output ? p.frames * p.height * p.width * w.out_channels_padded * element : 0;
  std::byte* scratch = nullptr;
  if (padded_bytes + large_bytes + output_bytes > 0)
    scratch = static_cast<std::byte*>(
        context.scratch.reserve(static_cast<size_t>(padded_bytes + large_bytes + output_bytes)));
  if (copies) {
    copy_columns(context, p.x, w.in_channels, scratch, w.in_channels_padded, pixels, p.dtype);
    p.x = scratch;
  }
  p.in_channels = w.in_channels_padded;
  if (enlarges) {
    enlarge_nearest(context, p.x, scratch + padded_bytes, p.frames_in, p.height_in, p.width_in, p.in_channels, p.dtype);
    p.x = scratch + padded_bytes;
    p.height_in *= 2, p.width_in *= 2;
    p.pad_top = p.pad_bottom = p.pad_left = p.pad_right = 1;
  }
  run_elsewhere(w, p, pads_output ? scratch + padded_bytes + large_bytes : nullptr);
}

/// cuDNN writes whole contiguous outputs of padded channels only: others go through `padded_output`, and what it has no
/// plan for to the direct kernel.
void Convolution::State::run_elsewhere(const PreparedWeights& w, const ConvProblem& p, std::byte* padded_output) {
  if (padded_output == nullptr) {
    if (library().run(p)) return;
  } else if (p.residual == nullptr || w.out_channels_padded == p.out_channels) {
    ConvProblem wide = p;
    wide.y = padded_output;
    wide.out_channels = w.out_channels_padded;
    wide.y_frame_stride = p.height * p.width * w.out_channels_padded;
    if (library().run(wide)) {
      const auto element = static_cast<int64_t>(size_of(p.dtype));
      for (int64_t t = 0; t < p.frames; ++t)
        copy_columns(context, padded_output + t * wide.y_frame_stride * element, wide.out_channels,
                     static_cast<std::byte*>(p.y) + t * p.y_frame_stride * element, p.out_channels, p.height * p.width,
                     p.dtype);
      return;
    }
  }
  run_direct_conv(context, p);
}

Convolution::Convolution(Context& context) : state_(std::make_unique<State>(context)) {}
Convolution::~Convolution() = default;

std::unique_ptr<ConvWeights> Convolution::prepare(TensorView weight, TensorView bias, ConvKind kind, DType compute) {
  Context& context = state_->loader;
  require_op(weight.rank() == 4 || weight.rank() == 5, "weights must be [O, I, kt, kh, kw] or [O, I, kh, kw]");
  require_op(weight.is_contiguous() && bias.is_contiguous() && bias.count() == weight.shape[0],
             "bias must be [O], both contiguous");
  require_op(compute == DType::kF32 || compute == DType::kBF16, "convolutions compute in F32 or BF16");
  const bool upsample = kind == ConvKind::kNearestUpsample2x, hopper = state_->uses_hopper();
  const int64_t kt = weight.rank() == 5 ? weight.shape[2] : 1, kh = weight.shape[-2], kw = weight.shape[-1];
  require_op(!upsample || (kt == 1 && kh == 3 && kw == 3), "enlarging convolutions are 1x3x3");
  const int64_t multiple = hopper || compute == DType::kBF16 ? 8 : 4;
  const int64_t out_padded = hopper ? weight.shape[0] : round_up(weight.shape[0], multiple);
  const WeightExtents extents{weight.shape[0], weight.shape[1], kt * kh * kw, out_padded,
                              round_up(weight.shape[1], multiple)};
  const bool summed = upsample && hopper;
  const auto target = compute == DType::kBF16 ? WeightTarget::kBF16
                      : hopper                ? WeightTarget::kPlanes
                                              : WeightTarget::kF32;
  const int64_t rows = out_padded * (summed ? 16 : extents.taps);
  const size_t weight_bytes = static_cast<size_t>(rows * extents.in_channels_padded) * size_of(compute);
  const size_t bias_bytes = static_cast<size_t>(round_up(out_padded, kBiasMultiple)) * sizeof(float);
  auto prepared = std::make_unique<PreparedWeights>(weight_bytes, bias_bytes, context.ledger);
  prepared->in_channels = weight.shape[1], prepared->out_channels = weight.shape[0];
  prepared->kernel_t = kt, prepared->kernel_h = kh, prepared->kernel_w = kw;
  prepared->in_channels_padded = extents.in_channels_padded, prepared->out_channels_padded = out_padded;
  prepared->kind = kind, prepared->compute = compute, prepared->summed = summed;
  if (out_padded != weight.shape[0]) check(cudaMemsetAsync(prepared->weights(), 0, weight_bytes, context.compute));
  check(cudaMemsetAsync(prepared->bias(), 0, bias_bytes, context.compute));
  stage_rows(context, weight, weight.shape[0], [&](const void* from, int64_t first, int64_t count) {
    const auto place = summed ? sum_upsample_weights : repack_weights;
    place(context, from, weight.dtype, prepared->weights(), target, extents, first, count);
  });
  const WeightExtents vector{bias.count(), 1, 1, bias.count(), 1};
  stage_rows(context, bias, bias.count(), [&](const void* from, int64_t first, int64_t count) {
    repack_weights(context, from, bias.dtype, prepared->bias(), WeightTarget::kF32, vector, first, count);
  });
  check(cudaStreamSynchronize(context.compute));  // the caller may drop its memory now
  return prepared;
}

void Convolution::forward(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
                          TensorView y) {
  const auto& prepared = dynamic_cast<const PreparedWeights&>(weights);
  require_shapes(prepared, x, geometry, residual, y);
  if (y.count() == 0) return;
  const ConvProblem problem = describe(prepared, x, geometry, residual, y);
  if (state_->uses_hopper()) return state_->run_on_hopper(prepared, problem);
  state_->run_with_library(prepared, problem);
}

// On Hopper a product of two values in two bf16 parts each leaves out at most 3 * 2^-16 of itself, and at most 96
// additions of a piece are truncated instead of rounded: 3 * 2^-16 + 96 * 2^-23 < 2^-14.
double Convolution::f32_error() const { return state_->uses_hopper() ? 0x1p-14 : 0; }

bool Convolution::takes_history(DType compute) const { return state_->uses_hopper() && compute == DType::kBF16; }

bool Convolution::forward_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                                const ConvGeometry& geometry, TensorView residual, TensorView y) {
  const auto& prepared = dynamic_cast<const PreparedWeights&>(weights);
  const auto aligned = [](const TensorView& view) { return reinterpret_cast<uintptr_t>(view.data) % 16 == 0; };
  if (!takes_history(prepared.compute) || prepared.in_channels_padded != prepared.in_channels ||
      history.size() > kHistoryFrames || !aligned(x) || !std::ranges::all_of(history, aligned))
    return false;
  require_op(std::ssize(history) == prepared.kernel_t - 1 && std::ranges::all_of(history,
                                                                                 [&](const TensorView& frame) {
                                                                                   return frame.is_contiguous() &&
                                                                                          frame.dtype == x.dtype &&
                                                                                          frame.shape == x.at(0).shape;
                                                                                 }),
             "history must be the kernel_t - 1 frames before x, each contiguous, of x's dtype and frame size");
  // Checked as the joined input it stands for.
  TensorView joined = x;
  joined.shape[0] += std::ssize(history);
  require_shapes(prepared, joined, geometry, residual, y);
  if (y.count() == 0) return true;
  ConvProblem problem = describe(prepared, joined, geometry, residual, y);
  for (size_t i = 0; i < history.size(); ++i) problem.history[i] = history[i].data;
  state_->run_on_hopper(prepared, problem);
  return true;
}

/// The models' shortcuts: as many outputs for an input channel as there are places in its enlarged voxel, or half.
bool Convolution::forward_dup_up(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry,
                                 const DupUp& shortcut, TensorView y) {
  const auto& prepared = dynamic_cast<const PreparedWeights&>(weights);
  const TensorView& s = shortcut.x;
  const auto aligned = [](const TensorView& view) { return reinterpret_cast<uintptr_t>(view.data) % 16 == 0; };
  if (!state_->uses_hopper() || !prepared.summed || prepared.compute != DType::kBF16 || s.rank() != 4 ||
      s.dtype != DType::kBF16 || !s.is_contiguous() || !aligned(s) || !aligned(y) || y.rank() != 4 ||
      !y.is_contiguous() || y.count() == 0)
    return false;
  const int64_t places = 4 * shortcut.factor_t, channels = y.shape[3];
  const int64_t skipped = shortcut.drop_first ? shortcut.factor_t - 1 : 0;
  if (channels % 8 != 0 || (s.shape[3] != channels && s.shape[3] != 2 * channels)) return false;
  if (y.shape[0] != s.shape[0] * shortcut.factor_t - skipped || y.shape[1] != 2 * s.shape[1] ||
      y.shape[2] != 2 * s.shape[2])
    return false;  // refused by dup_up_add, with its reason
  require_shapes(prepared, x, geometry, {}, y);
  ConvProblem problem = describe(prepared, x, geometry, {}, y);
  problem.shortcut = {.x = s.data,
                      .channels = s.shape[3],
                      .factor_t = shortcut.factor_t,
                      .skipped = skipped,
                      .ratio = channels * places / s.shape[3]};
  state_->run_on_hopper(prepared, problem);
  return true;
}

// Weights are counted where they are owned and scratch in the context.
size_t Convolution::device_bytes() const { return 0; }

}  // namespace wan::cuda
