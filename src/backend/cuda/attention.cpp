// Checks a call of attention and sends it to the fastest kernel that takes it.
#include "backend/cuda/attention.h"

#include "backend/cuda/attention_cudnn.h"
#include "backend/cuda/attention_few_keys.h"
#include "backend/cuda/attention_products.h"
#include "backend/cuda/attention_shape.h"
#include "backend/cuda/attention_sm90.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

// Cross-attention's 512 keys are too few for the Hopper kernel's long blocks: 0.44 ms against cuDNN's 0.41 (36,080
// queries, 24 heads of 128, H100, 2026-11-24).
constexpr int64_t kFewKeys = 1024;

void require_rows(const TensorView& view, int64_t columns, const TensorView& like) {
  require_op(view.rank() == 2 && view.shape[1] == columns && view.stride(1) == 1,
             "q, k, v and out must be rows of one width");
  require_op(view.dtype == like.dtype && view.memory == Memory::kDevice,
             "q, k, v and out must share a dtype, on the device");
}

}  // namespace

AttentionCall attention_call(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) {
  require_op(q.rank() == 2 && heads > 0 && q.shape[1] % heads == 0, "q must be rows of a whole number of heads");
  require_op(q.dtype == DType::kF32 || q.dtype == DType::kBF16, "q must be F32 or BF16");
  for (const TensorView* view : {&q, &k, &v, &out}) require_rows(*view, q.shape[1], q);
  require_op(k.shape[0] > 0 && v.shape[0] == k.shape[0], "k and v must have the same number of rows, at least one");
  require_op(out.shape[0] == q.shape[0], "out must have as many rows as q");
  AttentionCall call;
  call.dtype = q.dtype;
  call.q = q.data, call.k = k.data, call.v = v.data, call.out = out.data;
  call.q_rows = q.shape[0], call.k_rows = k.shape[0], call.heads = heads, call.head_dim = q.shape[1] / heads;
  call.q_stride = q.stride(0), call.k_stride = k.stride(0), call.v_stride = v.stride(0),
  call.out_stride = out.stride(0);
  call.scale = scale;
  return call;
}

int64_t common_alignment(const void* address, int64_t row_stride, DType dtype) {
  const uintptr_t both =
      reinterpret_cast<uintptr_t>(address) | (static_cast<uintptr_t>(row_stride) * size_of(dtype)) | 16u;
  return static_cast<int64_t>(both & (~both + 1));
}

struct Attention::State {
  explicit State(Context& c) : context(c), cudnn(c), products(c) {}
  Context& context;
  CudnnAttention cudnn;
  ProductAttention products;
};

Attention::Attention(Context& context) : state_(std::make_unique<State>(context)) {}
Attention::~Attention() = default;

void Attention::forward(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) {
  const AttentionCall call = attention_call(q, k, v, heads, scale, out);
  if (call.q_rows == 0) return;
  const bool few_keys = call.k_rows <= kFewKeys && call.q_rows > 4 * call.k_rows && state_->cudnn.accepts(call);
  if (!few_keys && sm90_attention_accepts(state_->context, call)) return sm90_attention(state_->context, call);
  if (state_->cudnn.accepts(call)) return state_->cudnn.forward(call);
  state_->products.forward(call, {});
}

bool Attention::try_groups(TensorView q, TensorView k, TensorView v, int64_t groups, int64_t heads, float scale,
                           TensorView out) {
  AttentionCall call = attention_call(q, k, v, heads, scale, out);
  call.q_rows /= groups;
  call.k_rows /= groups;
  if (call.q_rows == 0) return true;
  if (!few_keys_attention_accepts(call)) return false;
  few_keys_attention(state_->context, call, groups);
  return true;
}

void Attention::forward_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale,
                                      TensorView table, TensorView bucket, TensorView out) {
  const AttentionCall call = attention_call(q, k, v, heads, scale, out);
  require_op(table.rank() == 2 && table.shape[1] == heads && table.is_contiguous(),
             "table must be [buckets, heads], contiguous");
  require_op(bucket.rank() == 1 && bucket.shape[0] == call.q_rows + call.k_rows - 1 && bucket.is_contiguous(),
             "bucket must be [Lq + Lk - 1], contiguous");
  require_op(table.memory == Memory::kDevice && bucket.memory == Memory::kDevice,
             "table and bucket must be on the device");
  if (call.q_rows == 0) return;
  state_->products.forward(call, {table.as<float>(), bucket.as<int32_t>()});
}

size_t Attention::device_bytes() const { return 0; }  // plans hold none; scratch is the context's

}  // namespace wan::cuda
