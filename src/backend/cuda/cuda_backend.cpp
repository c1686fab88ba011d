#include "backend/cuda/cuda_backend.h"

#include <cublasLt.h>
#include <cudnn_version.h>
#include <fmt/format.h>

#include "backend/cuda/attention8_sm90.h"
#include "backend/cuda/channel_norm.h"
#include "backend/cuda/copy.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/expand.h"
#include "backend/cuda/linear_int8.h"
#include "backend/cuda/low_rank.h"
#include "backend/cuda/norm.h"
#include "backend/cuda/patch.h"
#include "backend/cuda/pinned.h"
#include "backend/cuda/quantize_rows.h"
#include "backend/cuda/random.h"
#include "backend/cuda/rms_norm.h"
#include "backend/cuda/tuning.h"
#include "backend/cuda/vae_pixels.h"
#include "base/error.h"
#include "base/hash.h"

extern "C" size_t cudnnGetVersion(void);  // cudnn.h alone costs seconds to compile

namespace wan::cuda {
namespace {

std::string uuid_text(const cudaUUID_t& uuid) {
  std::string text = "GPU";
  for (int i = 0; i < 16; ++i) {
    if (i == 0 || i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return text;
}

DeviceInfo describe(int ordinal, const std::string& table) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal));
  int runtime = 0, driver = 0;
  check(cudaRuntimeGetVersion(&runtime));
  check(cudaDriverGetVersion(&driver));
  DeviceInfo info;
  info.kind = "cuda";
  info.name = properties.name;
  info.uuid = uuid_text(properties.uuid);
  info.multiprocessors = properties.multiProcessorCount;
  info.capability_major = properties.major;
  info.capability_minor = properties.minor;
  info.total_bytes = properties.totalGlobalMem;
  info.kernel_table = sha256_hex(table).substr(0, 16);
  info.libraries = fmt::format("CUDA runtime {}.{}, driver API {}.{}, cuBLASLt {}, cuDNN {}, kernel table {}",
                               runtime / 1000, runtime % 1000 / 10, driver / 1000, driver % 1000 / 10,
                               cublasLtGetVersion(), cudnnGetVersion(), info.kernel_table);
  return info;
}

}  // namespace

CudaBackend::Device::Device(Context& a_context, int ordinal) : context(a_context) {
  check(cudaSetDevice(ordinal));
  check(cudaSetDeviceFlags(cudaDeviceScheduleBlockingSync));
  context.ordinal = ordinal;
  check(cudaStreamCreateWithFlags(&context.compute, cudaStreamNonBlocking));
  check(cudaStreamCreateWithFlags(&context.copy, cudaStreamNonBlocking));
  check(cudaStreamCreateWithFlags(&context.fill, cudaStreamNonBlocking));
}

CudaBackend::Device::~Device() {
  // Errors have nowhere to go here; what failed has been reported by the call that noticed.
  cudaSetDevice(context.ordinal);
  cudaDeviceSynchronize();
  cudaStreamDestroy(context.compute);
  cudaStreamDestroy(context.copy);
  cudaStreamDestroy(context.fill);
}

CudaBackend::CudaBackend(int ordinal, const std::string& table, std::optional<MemorySize> limit)
    : info_(describe(ordinal, table)),
      context_{.ledger = std::make_shared<MemoryLedger>(limit)},
      device_(context_, ordinal),
      linear_(context_, info_.name, table),
      attention_(context_),
      convolution_(context_) {
  context_.capability = 10 * info_.capability_major + info_.capability_minor;
  context_.multiprocessors = info_.multiprocessors;
  events_.anchor(context_.copy);
}

CudaBackend::~CudaBackend() { cudaSetDevice(context_.ordinal); }

void CudaBackend::bind_thread() { check(cudaSetDevice(context_.ordinal)); }

uint64_t CudaBackend::free_bytes() const {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total));
  return free;
}

Tensor CudaBackend::allocate(DType dtype, const Shape& shape, const char* what) {
  auto block =
      std::make_shared<DeviceMemory>(static_cast<size_t>(shape.count()) * size_of(dtype), what, context_.ledger);
  return {TensorView(block->data(), dtype, shape, Memory::kDevice), [block](void*) mutable { block.reset(); }};
}

Tensor CudaBackend::allocate_host(DType dtype, const Shape& shape, const char* what) {
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  return {TensorView(map_host(bytes, what), dtype, shape, Memory::kHost),
          [bytes](void* data) { unmap_host(data, bytes); }};
}

void CudaBackend::page_lock(TensorView host, const char* what) { lock_host(host.data, host.bytes(), what); }

Tensor CudaBackend::allocate_pinned(DType dtype, const Shape& shape, const char* what) {
  Tensor host = allocate_host(dtype, shape, what);
  page_lock(host, what);
  return host;
}

void CudaBackend::copy_bytes(TensorView from, TensorView to, Queue queue) {
  require_op(from.is_contiguous() && to.is_contiguous() && from.bytes() == to.bytes(),
             "copy_bytes needs contiguous views of equal size");
  if (from.bytes() == 0) return;
  check(cudaMemcpyAsync(to.data, from.data, from.bytes(), cudaMemcpyDefault, stream(queue)));
}

cudaStream_t CudaBackend::stream(Queue queue) const {
  switch (queue) {
    case Queue::kCompute: return context_.compute;
    case Queue::kCopy: return context_.copy;
    case Queue::kFill: return context_.fill;
  }
  return context_.compute;
}

Event CudaBackend::record(Queue queue) { return events_.record(stream(queue)); }

void CudaBackend::wait(Queue queue, const Event& event) {
  check(cudaStreamWaitEvent(stream(queue), Events::handle(event), 0));
}

bool CudaBackend::ready(const Event& event) { return Events::ready(event); }

void CudaBackend::synchronize(const Event& event) { check(cudaEventSynchronize(Events::handle(event))); }

void CudaBackend::synchronize() { check(cudaDeviceSynchronize()); }

int64_t CudaBackend::event_time_ns(const Event& event) { return events_.time_ns(event); }

std::optional<ClockDrift> CudaBackend::retie_clocks() { return events_.retie(context_.copy); }

std::optional<Backend::DeviceUse> CudaBackend::take_device_use() {
  return DeviceUse{context_.ledger->now(), context_.ledger->peak_since_last()};
}

uint64_t CudaBackend::internal_bytes() const {
  return context_.scratch.bytes() + context_.workspace.bytes() + attention_.device_bytes() +
         convolution_.device_bytes();
}

void CudaBackend::copy(TensorView x, TensorView y) { cuda::copy(context_, x, y); }
void CudaBackend::fill_zero(TensorView y) { cuda::fill_zero(context_, y); }
void CudaBackend::add(TensorView x, TensorView y) { cuda::add(context_, x, y); }
void CudaBackend::activate(TensorView x, Activation activation, TensorView y) {
  cuda::activate(context_, x, activation, y);
}
void CudaBackend::gated_gelu(TensorView gate, TensorView up, TensorView y) { cuda::gated_gelu(context_, gate, up, y); }
void CudaBackend::combine(std::span<const Term> terms, TensorView out) { cuda::combine(context_, terms, out); }
void CudaBackend::fill_normal_from(TensorView y, uint64_t seed, uint64_t first, float mean, float deviation,
                                   Queue queue) {
  cuda::fill_normal(stream(queue), context_.multiprocessors, y, seed, first, mean, deviation);
}
void CudaBackend::linear(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y) {
  linear_.forward(x, weight, bias, activation, y);
}
void CudaBackend::quantize_rows(TensorView x, const Int8Rows& q) { cuda::quantize_rows(context_, x, q); }
void CudaBackend::linear_int8(const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                              TensorView y) {
  cuda::linear_int8(context_, x, weight, bias, activation, y);
}
void CudaBackend::add_low_rank(TensorView base, TensorView up, TensorView down, float factor, TensorView y,
                               Queue queue) {
  cuda::add_low_rank(stream(queue), base, up, down, factor, y);
}
void CudaBackend::expand(const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y, Queue queue) {
  cuda::expand(stream(queue), matrix, terms, y);
}
void CudaBackend::layer_norm(TensorView x, TensorView weight, TensorView bias, float eps, TensorView y) {
  cuda::layer_norm(context_, x, weight, bias, eps, y);
}
void CudaBackend::modulated_layer_norm(TensorView x, TensorView shift, TensorView scale, TensorView row_index,
                                       float eps, TensorView y) {
  cuda::modulated_layer_norm(context_, x, shift, scale, row_index, eps, y);
}
void CudaBackend::gated_residual(TensorView x, TensorView y, TensorView gate, TensorView row_index) {
  cuda::gated_residual(context_, x, y, gate, row_index);
}
void CudaBackend::gated_residual_modulated_norm(TensorView x, TensorView y, TensorView gate, TensorView shift,
                                                TensorView scale, TensorView row_index, float eps, TensorView n) {
  cuda::gated_residual_modulated_norm(context_, x, y, gate, shift, scale, row_index, eps, n);
}
void CudaBackend::gated_residual_layer_norm(TensorView x, TensorView y, TensorView gate, TensorView row_index,
                                            TensorView weight, TensorView bias, float eps, TensorView n) {
  cuda::gated_residual_layer_norm(context_, x, y, gate, row_index, weight, bias, eps, n);
}
void CudaBackend::rms_norm(TensorView x, TensorView weight, float eps, TensorView y) {
  cuda::rms_norm(context_, x, weight, eps, y);
}
void CudaBackend::rope(TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y) {
  cuda::rope(context_, x, cos, sin, heads, y);
}
void CudaBackend::rms_norm_rope(TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin,
                                int64_t heads, TensorView y) {
  cuda::rms_norm_rope(context_, x, weight, eps, cos, sin, heads, y);
}
void CudaBackend::attention(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) {
  attention_.forward(q, k, v, heads, scale, out);
}
void CudaBackend::attention_in_groups(TensorView q, TensorView k, TensorView v, int64_t groups, int64_t heads,
                                      float scale, TensorView out) {
  require_groups(q, k, groups);
  if (!attention_.try_groups(q, k, v, groups, heads, scale, out))
    Backend::attention_in_groups(q, k, v, groups, heads, scale, out);
}
void CudaBackend::attention_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale,
                                          TensorView table, TensorView bucket, TensorView out) {
  attention_.forward_relative_bias(q, k, v, heads, scale, table, bucket, out);
}
void CudaBackend::quantize_attention(TensorView q, TensorView k, TensorView v, Attention8& a) {
  cuda::quantize_attention(context_, q, k, v, a);
}
void CudaBackend::attention8(const Attention8& a, float scale, TensorView y) {
  cuda::attention8(context_, a, scale, y);
}
void CudaBackend::patchify(TensorView x, TensorView y) { cuda::patchify(context_, x, y); }
void CudaBackend::unpatchify(TensorView o, TensorView y) { cuda::unpatchify(context_, o, y); }
std::unique_ptr<ConvWeights> CudaBackend::prepare_conv(TensorView weight, TensorView bias, ConvKind kind,
                                                       DType compute) {
  return convolution_.prepare(weight, bias, kind, compute);
}
void CudaBackend::conv(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
                       TensorView y) {
  convolution_.forward(weights, x, geometry, residual, y);
}

void CudaBackend::conv_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                             const ConvGeometry& geometry, TensorView residual, TensorView y, Arena& scratch) {
  if (!convolution_.forward_after(weights, history, x, geometry, residual, y))
    Backend::conv_after(weights, history, x, geometry, residual, y, scratch);
}
void CudaBackend::channel_norm(TensorView x, TensorView gamma, Activation activation, TensorView y) {
  cuda::channel_norm(context_, x, gamma, activation, y);
}
void CudaBackend::dup_up_add(TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y) {
  cuda::dup_up_add(context_, x, factor_t, factor_s, drop_first, y);
}
void CudaBackend::conv_dup_up_add(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry,
                                  const DupUp& shortcut, TensorView y) {
  if (!convolution_.forward_dup_up(weights, x, geometry, shortcut, y))
    Backend::conv_dup_up_add(weights, x, geometry, shortcut, y);
}
void CudaBackend::avg_down_add(TensorView x, int64_t factor_t, int64_t factor_s, TensorView y) {
  cuda::avg_down_add(context_, x, factor_t, factor_s, y);
}
void CudaBackend::pixels_to_channels(TensorView pixels, int64_t patch, TensorView x) {
  cuda::pixels_to_channels(context_, pixels, patch, x);
}
void CudaBackend::channels_to_pixels(TensorView x, int64_t patch, TensorView pixels) {
  cuda::channels_to_pixels(context_, x, patch, pixels);
}
void CudaBackend::channels_to_rgb8(TensorView x, int64_t patch, TensorView frames) {
  cuda::channels_to_rgb8(context_, x, patch, frames);
}

}  // namespace wan::cuda
