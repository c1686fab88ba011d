// The list of operations Wan2.2 needs, once, for every device: the engine's table of contents.
// `backend/cpu` defines what each of them computes; `backend/cuda` must match it. Operations are ordered: each sees the
// results of those called before it. On a device they run asynchronously; `download` and `synchronize` wait.
//
// Conventions. Views may be strided only where an operation says so; "rows" means [L, D] with unit inner stride and any
// row stride. Activations are F32 (precision fp32) or BF16 (precision bf16); reductions and transcendental functions
// are computed in F32 and rounded once on the way out. Scratch memory beyond the arguments belongs to the backend.
// Every operation throws Error on a shape, dtype or stride it does not accept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/device_clock.h"
#include "base/memory_size.h"
#include "tensor/packed.h"
#include "tensor/tensor.h"

namespace wan {

/// What the device is, for records, plans and messages.
struct DeviceInfo {
  std::string kind;          // "cpu" or "cuda"
  std::string name;          // marketing name
  std::string uuid;          // GPU-... ; empty on the CPU
  int multiprocessors = 0;   // SMs, or allowed cores on the CPU
  int capability_major = 0;  // compute capability; 0 on the CPU
  int capability_minor = 0;
  uint64_t total_bytes = 0;  // memory an allocation could ever use
  std::string libraries;     // versions of the libraries that compute, for the record
  std::string kernel_table;  // digest of the table that chooses matrix kernels; empty: there is none
  int cpu_threads = 0;       // that compute; 0 on a card
};

/// A point in a queue's work. Copyable handle; released when the last copy goes.
struct Event {
  std::shared_ptr<void> handle;
  bool valid() const { return handle != nullptr; }
};

/// Work is issued to one of these in-order queues; on the CPU all run at once, in call order.
enum class Queue {
  kCompute,
  kCopy,  // what computing waits for, and what waits for it
  kFill,  // what no other queue waits for
};

enum class Activation {
  kNone,
  kGeluTanh,  // its approximation by tanh
  kSilu,
  kGelu,       // exact, by erf
  kLeakyRelu,  // x, or 0.2 x below zero
};

/// What a convolution is for; a backend may choose another algorithm and weight layout for each.
enum class ConvKind {
  kPlain,              // any kernel and stride
  kNearestUpsample2x,  // 1x3x3 on the x2 nearest-neighbour enlarged input, reading the small input
};

/// Whether conv_after reads a history where it is, or joins it with the input in scratch memory first.
enum class HistoryMemory { kApart, kJoined };

/// Strides and zero padding of a convolution, in elements of each axis. Time is never padded: history is in the input.
struct ConvGeometry {
  int64_t stride_t = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
};

/// What dup_up_add adds, for conv_dup_up_add: its x, twice as small a side as y.
struct DupUp {
  TensorView x;
  int64_t factor_t = 1;
  bool drop_first = false;
};

/// Convolution weights in whatever layout the backend prefers.
class ConvWeights {
 public:
  virtual ~ConvWeights() = default;
  int64_t in_channels = 0, out_channels = 0;
  int64_t kernel_t = 1, kernel_h = 1, kernel_w = 1;
  size_t device_bytes = 0;
};

/// One term of a linear combination.
struct Term {
  float coefficient;
  TensorView tensor;  // F32, contiguous
};

/// factor * (up down), which is added to a matrix.
struct LowRankTerm {
  TensorView up, down;  // [N, R] and [R, M] contiguous
  float factor = 1;
};

/// Rows in 8 bits with one scale each, as Backend::quantize_rows writes them: activations by token, weights by output
/// channel.
struct Int8Rows {
  TensorView values;  // I8 [L, K] contiguous
  TensorView scale;   // F32 [L] contiguous
};

/// What attention8 multiplies in. The scores are sums of products of int8 in both.
enum class AttentionForm {
  k8And16,  // probabilities and values in BF16
  k8And8,   // probabilities and values in E4M3
};

/// Operands of attention in 8 bits, Lq queries and Lk keys of H heads of 128, as Backend::quantize_attention writes
/// them. Everything is contiguous but v, which in form k8And16 is the view that was given.
struct Attention8 {
  AttentionForm form = AttentionForm::k8And16;
  TensorView q;                // I8 [Lq, H*128]
  TensorView q_scale;          // F32 [H, Lq]
  TensorView k;                // I8 [Lk, H*128]
  TensorView k_scale;          // F32 [H, B], one for each 64 keys; B is a multiple of 6, the rest of a row 0
  TensorView v;                // k8And16: rows [Lk, H*128]; k8And8: F8_E4M3 [H*128, P], Lk to a whole 128, the rest 0;
                               // key 16 h + 8 g + 2 t + j of each 32 (h, g, j < 2; t < 4) at 16 h + 4 t + 2 g + j
  TensorView v_scale, v_mean;  // F32 [H*128], of k8And8 alone
  TensorView scratch;          // F32, of quantize_attention
  int64_t heads() const { return q_scale.shape[0]; }
};

/// All of it but the v of k8And16, the same on every backend. The arena may be dry. Throws OutOfMemory, and Error
/// unless Lq >= 0, Lk > 0 and heads > 0.
Attention8 allocate_attention8(Arena& arena, int64_t queries, int64_t keys, int64_t heads, AttentionForm form);

class Backend {
 public:
  virtual ~Backend() = default;

  // ---- device, memory, order -------------------------------------------------------------------------------------
  virtual const DeviceInfo& info() const = 0;
  /// A thread other than the one that made the backend calls this once before any other call. Copies, events and
  /// allocations may then come from several threads; operations only from one at a time, but for add_low_rank,
  /// expand and fill_normal_from.
  virtual void bind_thread() {}
  /// Bytes free for new allocations right now.
  virtual uint64_t free_bytes() const = 0;
  /// Uninitialised device memory (host memory on the CPU), 1024-byte aligned. Throws OutOfMemory naming `what`.
  virtual Tensor allocate(DType dtype, const Shape& shape, const char* what) = 0;
  /// Host memory the device copies from and to without staging (page-locked on CUDA). Throws OutOfMemory.
  virtual Tensor allocate_pinned(DType dtype, const Shape& shape, const char* what) = 0;
  /// The same in two steps, for much memory that many threads fill: contents first, in memory whose pages are taken as
  /// they are written, then the locking. Copies between the device and memory not locked yet are slow but right.
  virtual Tensor allocate_host(DType dtype, const Shape& shape, const char* what) {
    return allocate_pinned(dtype, shape, what);
  }
  virtual void page_lock(TensorView, const char*) {}
  /// Copies contiguous bytes of equal size, host<->device or within the device. Asynchronous on `queue` when the host
  /// side is pinned; from pageable memory it returns when the source may be reused. To host memory: valid after
  /// `synchronize`.
  virtual void copy_bytes(TensorView from, TensorView to, Queue queue) = 0;
  virtual Event record(Queue queue) = 0;
  /// Later work on `queue` starts after `event`.
  virtual void wait(Queue queue, const Event& event) = 0;
  virtual bool ready(const Event& event) = 0;
  virtual void synchronize(const Event& event) = 0;
  virtual void synchronize() = 0;
  /// When `event` happened on CLOCK_MONOTONIC, in nanoseconds. The event must be ready.
  virtual int64_t event_time_ns(const Event& event) = 0;
  /// How far the device's clock came from the host's since they were tied, when the backend was made or at the last
  /// call; ties them anew. Waits for the device. Nothing where both are one clock.
  virtual std::optional<ClockDrift> retie_clocks() { return std::nullopt; }
  /// Page-locked and device bytes this backend holds for itself: library workspaces, scratch. For the memory account.
  virtual uint64_t internal_bytes() const = 0;
  /// All device memory this backend has given out or holds for itself: now, and at most since the last call. Nothing
  /// where device memory is host memory.
  struct DeviceUse {
    uint64_t now = 0, peak = 0;
  };
  virtual std::optional<DeviceUse> take_device_use() { return std::nullopt; }

  /// Upload then wait: for small tables. `from` is host memory; dtype may differ (F32, F16, BF16 -> F32, BF16).
  void upload(TensorView from, TensorView to);
  /// Waits for all work on the compute queue and returns a host copy in F32 (any float dtype, any strides).
  Tensor download(TensorView from);

  // ---- copies and elementwise ------------------------------------------------------------------------------------
  /// y = x with conversion among F32, F16 (source only) and BF16, rounding to nearest even. Any strides, rank <= 6,
  /// same shape.
  virtual void copy(TensorView x, TensorView y) = 0;
  virtual void fill_zero(TensorView y) = 0;  // contiguous
  /// y = x + y elementwise, contiguous, F32 or BF16 each.
  virtual void add(TensorView x, TensorView y) = 0;
  /// y = activation(x), contiguous, may alias.
  virtual void activate(TensorView x, Activation activation, TensorView y) = 0;
  /// y = gelu_tanh(gate) * up; rows; y may alias either. Source: UMT5 gated feed-forward.
  virtual void gated_gelu(TensorView gate, TensorView up, TensorView y) = 0;
  /// out = sum of coefficient * tensor, in the order given, F32 contiguous; `out` may alias any term.
  virtual void combine(std::span<const Term> terms, TensorView out) = 0;
  /// y[i] = seeded_value(seed, first + i, mean, deviation) of backend/seeded.h, rounded once, the same on every
  /// backend. Contiguous, F32 or BF16. Queue and threads as for add_low_rank.
  virtual void fill_normal_from(TensorView y, uint64_t seed, uint64_t first, float mean, float deviation,
                                Queue queue) = 0;
  void fill_normal(TensorView y, uint64_t seed, float mean, float deviation) {
    fill_normal_from(y, seed, 0, mean, deviation, Queue::kCompute);
  }

  // ---- matrix product --------------------------------------------------------------------------------------------
  /// y = activation(x W^T + bias).  x rows [M, K], W [N, K] contiguous, bias [N] or empty, y rows [M, N].
  /// x and W share a dtype (F32, or BF16 accumulated in F32); bias has W's dtype; y is F32 or BF16.
  virtual void linear(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y) = 0;

  /// Rows x [L, K], F32 or BF16, in 8 bits: t = x turned by the Hadamard transform of each `block` neighbours, block
  /// being the largest power of two up to 128 that divides K: in F32, unnormalised, a pair (a, b) becoming
  /// (a + b, a - b) at distance 1, then 2, up to block / 2. With largest = max |t| of the row, q.scale =
  /// largest * (block^-1/2 / 127), and q.values = t * (127 / largest) rounded to nearest even. A row with largest below
  /// 2^-120 becomes zeros of scale 0; one with a largest that is not finite, zeros of scale NaN. The same bits on every
  /// backend. The transform spreads outliers over their neighbours, and products of rows turned alike are those of the
  /// rows themselves. Source: Ashkboos et al., QuaRot (2024), for the transform; scales as of "dynamic" int8 products.
  virtual void quantize_rows(TensorView x, const Int8Rows& q) = 0;
  /// y = activation(x W^T + bias) of what quantize_rows wrote, with K up to 131,071: the products of values are summed
  /// exactly, in I32; the sum is rounded to F32, multiplied by x's scale, then by W's scale and added to the bias with
  /// one rounding. bias F32 or BF16 [N], or empty; activation kNone or kGeluTanh; y rows [M, N], F32 or BF16.
  virtual void linear_int8(const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                           TensorView y) = 0;

  /// y = base + factor * (up down), the sum over k from 0 of up[n, k] * down[k, m] in F32, and rounded once to y's
  /// type: how a LoRA is merged into a weight. base and y [N, M] contiguous, F32 or BF16 each; y may be base, and
  /// overlaps it in no other way. up [N, R] and down [R, M] contiguous, both of one of F32, F16 and BF16; no TF32 in
  /// their product. Runs on `queue`, and uses no memory but its arguments' there: it may be called from any thread, as
  /// copies may.
  virtual void add_low_rank(TensorView base, TensorView up, TensorView down, float factor, TensorView y,
                            Queue queue) = 0;

  /// y = the values of `matrix`, plus the terms, in F32 and rounded once to y's type. Without terms the bits are those
  /// of decode_packed on every backend. `matrix` in device memory; y [rows, columns] contiguous, F32 or BF16, apart
  /// from it. Terms only for y in BF16, whose factors are both F16 or both BF16: their products are exact, the sums F32
  /// in an order of the backend's. Queue and threads as for add_low_rank.
  virtual void expand(const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y, Queue queue) = 0;

  // ---- normalisation ---------------------------------------------------------------------------------------------
  /// y = (x - mean) / sqrt(var + eps) [* weight + bias]; biased variance; x rows [L, D] F32 or BF16, weight and bias
  /// [D] F32 or empty.
  virtual void layer_norm(TensorView x, TensorView weight, TensorView bias, float eps, TensorView y) = 0;
  /// y = LN(x) * (1 + scale[r]) + shift[r] with r = row_index[l] (I32 [L]) or 0 when `row_index` is empty.
  /// shift, scale: rows [U, D] F32. Source: Wan2.2 wan/modules/model.py, WanAttentionBlock.forward.
  virtual void modulated_layer_norm(TensorView x, TensorView shift, TensorView scale, TensorView row_index, float eps,
                                    TensorView y) = 0;
  /// x += y * gate[r] (gate rows [U, D] F32, or empty for 1).  x rows [L, D] F32; y rows [L, D].
  virtual void gated_residual(TensorView x, TensorView y, TensorView gate, TensorView row_index) = 0;
  /// gated_residual, then n = modulated_layer_norm(x): one pass over x where a backend fuses it.
  virtual void gated_residual_modulated_norm(TensorView x, TensorView y, TensorView gate, TensorView shift,
                                             TensorView scale, TensorView row_index, float eps, TensorView n);
  /// gated_residual, then n = layer_norm(x, weight, bias).
  virtual void gated_residual_layer_norm(TensorView x, TensorView y, TensorView gate, TensorView row_index,
                                         TensorView weight, TensorView bias, float eps, TensorView n);
  /// y = x / sqrt(mean(x^2) + eps) * weight over the last axis; rows [L, D]; weight [D] F32; y may alias x.
  virtual void rms_norm(TensorView x, TensorView weight, float eps, TensorView y) = 0;
  /// Rotates interleaved pairs: (a, b) -> (a cos - b sin, a sin + b cos). x rows [L, H*Dh], cos and sin [L, Dh/2] F32,
  /// the same for every head; y may alias x.
  virtual void rope(TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y) = 0;
  /// rms_norm over the whole row, then rope. Source: wan/modules/model.py, WanSelfAttention (norm before the head
  /// split).
  virtual void rms_norm_rope(TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin, int64_t heads,
                             TensorView y);

  // ---- attention -------------------------------------------------------------------------------------------------
  /// out = softmax(scale * q k^T) v for each head, no mask.  q, out rows [Lq, H*Dh]; k, v rows [Lk, H*Dh].
  virtual void attention(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) = 0;
  /// attention of each of `groups` equal parts of q's rows with the like part of k's and v's rows, into that of out.
  virtual void attention_in_groups(TensorView q, TensorView k, TensorView v, int64_t groups, int64_t heads, float scale,
                                   TensorView out);
  /// As attention, adding table[bucket[(j - i) + Lq - 1], h] to the score of query i and key j before the softmax;
  /// table [B, H] F32, bucket I32 [Lq + Lk - 1]. Source: wan/modules/t5.py, T5RelativeEmbedding.
  virtual void attention_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale,
                                       TensorView table, TensorView bucket, TensorView out) = 0;

  /// Whether the device has quantize_attention and attention8; where it has not, they throw Error.
  virtual bool has_attention8() const { return true; }
  /// q rows [Lq, H*128], k and v rows [Lk, H*128] in 8 bits, to the same bits on every backend. All BF16; the CPU takes
  /// all F32 as well. Rows lie 16 bytes, or a multiple, apart.
  /// With t = a head of a row turned as by quantize_rows: each t of q has a scale of its own, by the rules of
  /// quantize_rows. From k its mean over all keys is subtracted first, which adds the same to all scores of a query,
  /// and is not seen by the softmax; 64 keys of a head share a scale, by the same rules, the last ones fewer. v in form
  /// k8And16 stays where it is: a.v becomes v, and must hold until attention8. In k8And8 v - v_mean is divided by the
  /// largest of its channel over 448 (v_scale) and rounded to the nearest E4M3, at most 448 in magnitude: a channel
  /// with largest below 2^-120 becomes zeros of scale 0, one with a largest that is not finite zeros of scale NaN.
  /// Subtracting the mean keeps sums small, which the matrix units add to 14 bits. Means: F32 sums of 256 keys each, in
  /// order, summed in order, and divided by Lk. Source: Zhang et al., SageAttention2 (2024), for the means; QuaRot for
  /// the transform.
  virtual void quantize_attention(TensorView q, TensorView k, TensorView v, Attention8& a) = 0;
  /// y = softmax(scale * q k^T) v of what quantize_attention wrote; scale > 0; y rows [Lq, H*128] BF16, on the CPU F32
  /// as well, 16 bytes or a multiple apart. Scores are summed exactly in I32. Probabilities are 2^(score * log2(e) - r)
  /// of their row, with a whole number r, and are rounded, to nearest even, before they meet v, not before they are
  /// summed: to BF16, or to E4M3 with r so that the largest lies in [4, 8] or, where the whole row is not known, up to
  /// 448. A scale of NaN makes results NaN: one of q its row's in the head, one of k the head's, one of v the
  /// channel's.
  virtual void attention8(const Attention8& a, float scale, TensorView y) = 0;

  // ---- DiT patches -----------------------------------------------------------------------------------------------
  /// Latent x [C, T, H, W] F32 -> rows y [T*H/2*W/2, C*4], columns ordered (c, p, q).
  virtual void patchify(TensorView x, TensorView y) = 0;
  /// Rows o [T*H/2*W/2, 4*C] F32, columns ordered (p, q, c) -> y [C, T, H, W] F32.
  virtual void unpatchify(TensorView o, TensorView y) = 0;

  // ---- VAE; activations are channels-last [T, H, W, C] -------------------------------------------------------------
  /// Takes weights in the checkpoint's order [O, I, kt, kh, kw] (or [O, I, kh, kw]) and bias [O], host memory,
  /// F32/F16/BF16; keeps them for activations of `compute` dtype. For kNearestUpsample2x the 3x3 kernel is meant on the
  /// enlarged grid.
  virtual std::unique_ptr<ConvWeights> prepare_conv(TensorView weight, TensorView bias, ConvKind kind,
                                                    DType compute) = 0;
  /// y = conv(x) + bias [+ residual].  x [Ti, H, W, Ci] contiguous, the first kernel_t - 1 frames being history;
  /// y [To, Ho, Wo, Co] with To = (Ti - kernel_t) / stride_t + 1; frames of y may be strided (any stride of axis 0),
  /// inner axes contiguous; residual as y's shape, contiguous, or empty; it may alias y. For kNearestUpsample2x y is
  /// [Ti, 2H, 2W, Co].
  virtual void conv(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
                    TensorView y) = 0;
  /// conv over the kernel_t - 1 frames of `history`, oldest first, followed by x. Each is [H, W, Ci] contiguous and
  /// lies wherever it likes. A backend that must join them does so in `scratch`.
  virtual void conv_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                          const ConvGeometry& geometry, TensorView residual, TensorView y, Arena& scratch);
  /// Bound on a convolution's error beyond ordinary float sums for F32 activations, as a share of the sum of its terms'
  /// sizes.
  virtual double f32_conv_error() const { return 0; }
  /// What conv_after does for activations of this dtype.
  virtual HistoryMemory history_memory(DType) const { return HistoryMemory::kJoined; }
  /// y = activation(x / max(|x|_2, 1e-12) * sqrt(C) * gamma) over channels; gamma [C] F32; x, y [..., C] contiguous;
  /// may alias. Source: wan/modules/vae2_2.py, RMS_norm.
  virtual void channel_norm(TensorView x, TensorView gamma, Activation activation, TensorView y) = 0;
  /// y += DupUp(x): y[t*ft+dt, h*fs+dy, w*fs+dx, o] += x[t, h, w, (((o*ft+dt)*fs+dy)*fs+dx) / r], r = Co*ft*fs*fs/Ci;
  /// with `drop_first` the first ft-1 output frames are left out and y starts after them. Source: vae2_2.py, DupUp3D.
  virtual void dup_up_add(TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y) = 0;
  /// conv without residual, then dup_up_add of `shortcut` with factor_s 2 to y; rounded after each, so the same bits as
  /// the two calls. A backend that can does both in one pass over y.
  virtual void conv_dup_up_add(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry,
                               const DupUp& shortcut, TensorView y);
  /// y += AvgDown(x): mean over g = Ci*ft*fs*fs/Co virtual channels k = ((c*ft+dt)*fs+dy)*fs+dx in [o*g, o*g+g).
  /// x has T*ft frames (the caller prepends the zero frame). Source: vae2_2.py, AvgDown3D.
  virtual void avg_down_add(TensorView x, int64_t factor_t, int64_t factor_s, TensorView y) = 0;
  /// Pixels [3, T, H, W] F32 (any strides) -> x [T, H/p, W/p, 3*p*p], channel c*p*p + r*p + s for pixel (p*y+s, p*x+r).
  /// p is 1 or 2.
  virtual void pixels_to_channels(TensorView pixels, int64_t patch, TensorView x) = 0;
  /// The inverse, clamped to [-1, 1], F32; `pixels` may be any frame slice of a [3, F, H, W] video.
  virtual void channels_to_pixels(TensorView x, int64_t patch, TensorView pixels) = 0;
  /// The inverse as bytes: truncate(((clamp(v)+1)/2)*255) into U8 frames [T, H, W, 3] contiguous, device memory.
  virtual void channels_to_rgb8(TensorView x, int64_t patch, TensorView frames) = 0;

 protected:
  /// Throws Error unless the rows of q and k are `groups` equal parts.
  static void require_groups(const TensorView& q, const TensorView& k, int64_t groups);
};

/// A backend that computes nothing: running a model on it over a dry arena measures the memory the model needs. Its
/// internal_bytes is the most device memory that was allocated from it at once, since the last take_device_use, which
/// says that too. An allocation of half a `granule` or more takes whole ones. With histories apart, enlarging
/// convolutions keep their weights for the small grid, as the cards that leave histories apart do.
std::unique_ptr<Backend> make_dry_backend(HistoryMemory history = HistoryMemory::kJoined, uint64_t granule = 1);

struct BackendOptions {
  std::string device = "cpu";                    // cpu, cuda, cuda:N
  int cpu_threads = 0;                           // 0: one for each allowed core
  std::string tuning_table;                      // path of a kernel-choice table for this card; empty: built-in
  std::optional<MemorySize> gpu_memory_limit{};  // of the process: see MemoryLedger
};

/// The only place that names a concrete backend. Throws Error(kUsage) for an unknown or unusable device, saying why.
std::unique_ptr<Backend> make_backend(const BackendOptions& options);

/// A matrix product to choose a kernel for: y[m, n] = activation(x[m, k] W[n, k]^T + bias), x and W of dtype `in`.
struct ProductShape {
  int64_t m = 0, n = 0, k = 0;
  DType in = DType::kBF16, out = DType::kBF16;
  Activation activation = Activation::kNone;
};

/// Times the kernels the device's library proposes for each shape, on random data at the clocks of a busy card, for
/// `seconds` a shape, and returns a line of a tuning table (BackendOptions::tuning_table) for each. Throws
/// Error(kUsage) for a device whose products need no choice (cpu) or that cannot be used.
std::vector<std::string> tune_products(const BackendOptions& options, std::span<const ProductShape> shapes,
                                       double seconds);

/// Whether `cuda:0` can be used here; the reason when not.
std::optional<std::string> why_cuda_is_unusable();

}  // namespace wan
