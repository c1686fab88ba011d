// Strided-batched products of cuBLASLt around the softmax kernel; one batch entry is one head.
#include "backend/cuda/attention_products.h"

#include <cublasLt.h>
#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <map>

#include "backend/cuda/attention_softmax.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr int64_t kScoreBytes = int64_t{96} << 20;  // of F32 scores in one block; 64 heads of 512 x 512 fit
constexpr int64_t kFavouredRows = 512;  // fewer rows a product would starve the card: take fewer heads instead
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

void check_blas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error(fmt::format("cuBLASLt {}: {}", what, cublasLtGetStatusString(status)));
}

/// C [m, n] = op(A) B^T-like, in cuBLAS's column-major terms: D[rows, columns] with leading dimensions and batch
/// strides.
struct ProductKey {
  cublasOperation_t transpose_a;
  cudaDataType_t input, output;
  int64_t m, n, k, batch;
  int64_t lda, ldb, ldd, stride_a, stride_b, stride_d;
  int64_t align_a, align_b, align_d;
  auto operator<=>(const ProductKey&) const = default;
};

struct Layout {
  cublasLtMatrixLayout_t handle = nullptr;
  Layout(cudaDataType_t type, int64_t rows, int64_t columns, int64_t ld, int64_t batch, int64_t stride) {
    check_blas(
        cublasLtMatrixLayoutCreate(&handle, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), ld),
        "layout");
    const auto count = static_cast<int32_t>(batch);
    check_blas(cublasLtMatrixLayoutSetAttribute(handle, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
               "batch");
    check_blas(
        cublasLtMatrixLayoutSetAttribute(handle, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
        "batch stride");
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(handle); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
};

struct Description {
  cublasLtMatmulDesc_t handle = nullptr;
  explicit Description(cublasOperation_t transpose_a) {
    // CUBLAS_COMPUTE_32F never uses TF32; the mode that may is another name.
    check_blas(cublasLtMatmulDescCreate(&handle, CUBLAS_COMPUTE_32F, CUDA_R_32F), "description");
    check_blas(cublasLtMatmulDescSetAttribute(handle, CUBLASLT_MATMUL_DESC_TRANSA, &transpose_a, sizeof transpose_a),
               "transpose");
  }
  ~Description() { cublasLtMatmulDescDestroy(handle); }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
};

struct Preference {
  cublasLtMatmulPreference_t handle = nullptr;
  explicit Preference(const ProductKey& key) {
    check_blas(cublasLtMatmulPreferenceCreate(&handle), "preference");
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(key.align_a));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(key.align_b));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(key.align_d));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(key.align_d));
    // Without the in-place scheme, whose partial sums arrive in no fixed order.
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE));
  }
  template <typename T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T value) {
    check_blas(cublasLtMatmulPreferenceSetAttribute(handle, attribute, &value, sizeof value), "preference attribute");
  }
  ~Preference() { cublasLtMatmulPreferenceDestroy(handle); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;
};

struct Product {
  Product(cublasLtHandle_t blas, const ProductKey& key)
      : description(key.transpose_a),
        a(key.input, key.transpose_a == CUBLAS_OP_T ? key.k : key.m, key.transpose_a == CUBLAS_OP_T ? key.m : key.k,
          key.lda, key.batch, key.stride_a),
        b(key.input, key.k, key.n, key.ldb, key.batch, key.stride_b),
        d(key.output, key.m, key.n, key.ldd, key.batch, key.stride_d) {
    const Preference preference(key);
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(blas, description.handle, a.handle, b.handle, d.handle,
                                                                 d.handle, preference.handle, 1, &choice, &found);
    if (status != CUBLAS_STATUS_SUCCESS || found == 0) {
      throw Error(fmt::format("cuBLASLt has no kernel for an attention product of {} x {} x {} in {} batches ({})",
                              key.m, key.n, key.k, key.batch, cublasLtGetStatusString(status)));
    }
  }
  Description description;
  Layout a, b, d;
  cublasLtMatmulHeuristicResult_t choice{};
};

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

cudaDataType_t cuda_type(DType dtype) { return dtype == DType::kF32 ? CUDA_R_32F : CUDA_R_16BF; }

/// Alignment a kernel may assume for every head of a matrix whose heads lie `head_dim` columns apart.
int64_t head_alignment(const void* address, int64_t row_stride, int64_t head_dim, DType dtype) {
  return std::min(common_alignment(address, row_stride, dtype), common_alignment(nullptr, head_dim, dtype));
}

const void* offset(const void* base, int64_t elements, DType dtype) {
  return static_cast<const char*>(base) + elements * static_cast<int64_t>(size_of(dtype));
}

}  // namespace

struct ProductAttention::State {
  explicit State(Context& c) : context(c) { check_blas(cublasLtCreate(&blas), "did not start"); }
  ~State() {
    products.clear();
    cublasLtDestroy(blas);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void multiply(const ProductKey& key, const void* a, const void* b, void* d) {
    auto found = products.find(key);
    if (found == products.end()) found = products.emplace(key, std::make_unique<Product>(blas, key)).first;
    const Product& product = *found->second;
    const float one = 1.0f, zero = 0.0f;
    check_blas(cublasLtMatmul(blas, product.description.handle, &one, a, product.a.handle, b, product.b.handle, &zero,
                              d, product.d.handle, d, product.d.handle, &product.choice.algo,
                              context.workspace.reserve(kWorkspaceBytes), kWorkspaceBytes, context.compute),
               "attention product failed");
  }

  /// scores[h, i, j] = q_i . k_j: in column-major terms D[keys, queries] = K^T Q, both stored with the head dimension
  /// first.
  void scores(const AttentionCall& c, const ScoreBlock& block, float* to) {
    const void* k = offset(c.k, block.first_head * c.head_dim, c.dtype);
    const void* q = offset(c.q, block.first_row * c.q_stride + block.first_head * c.head_dim, c.dtype);
    const ProductKey key{CUBLAS_OP_T,
                         cuda_type(c.dtype),
                         CUDA_R_32F,
                         c.k_rows,
                         block.rows,
                         c.head_dim,
                         block.heads,
                         c.k_stride,
                         c.q_stride,
                         block.row_stride,
                         c.head_dim,
                         c.head_dim,
                         block.rows * block.row_stride,
                         head_alignment(k, c.k_stride, c.head_dim, c.dtype),
                         head_alignment(q, c.q_stride, c.head_dim, c.dtype),
                         16};
    multiply(key, k, q, to);
  }

  /// out[i, h] = sum_j p[h, i, j] v[j, h]: D[dim, queries] = V P.
  void values(const AttentionCall& c, const ScoreBlock& block, const void* probabilities) {
    const void* v = offset(c.v, block.first_head * c.head_dim, c.dtype);
    void* out =
        const_cast<void*>(offset(c.out, block.first_row * c.out_stride + block.first_head * c.head_dim, c.dtype));
    const ProductKey key{CUBLAS_OP_N,
                         cuda_type(c.dtype),
                         cuda_type(c.dtype),
                         c.head_dim,
                         block.rows,
                         c.k_rows,
                         block.heads,
                         c.v_stride,
                         block.row_stride,
                         c.out_stride,
                         c.head_dim,
                         block.rows * block.row_stride,
                         c.head_dim,
                         head_alignment(v, c.v_stride, c.head_dim, c.dtype),
                         16,
                         head_alignment(out, c.out_stride, c.head_dim, c.dtype)};
    multiply(key, v, probabilities, out);
  }

  Context& context;
  cublasLtHandle_t blas = nullptr;
  std::map<ProductKey, std::unique_ptr<Product>> products;
};

ProductAttention::ProductAttention(Context& context) : state_(std::make_unique<State>(context)) {}
ProductAttention::~ProductAttention() = default;

void ProductAttention::forward(const AttentionCall& call, const RelativeBias& bias) {
  const int64_t row_stride = round_up(call.k_rows, 8);
  const int64_t row_bytes = row_stride * int64_t{sizeof(float)};
  const int64_t heads =
      std::clamp<int64_t>(kScoreBytes / (std::min(call.q_rows, kFavouredRows) * row_bytes), 1, call.heads);
  const int64_t rows = std::clamp<int64_t>(kScoreBytes / (heads * row_bytes), 1, call.q_rows);
  const auto score_count = static_cast<size_t>(heads * rows * row_stride);
  const bool in_place = call.dtype == DType::kF32;
  auto* scores = static_cast<float*>(
      state_->context.scratch.reserve(score_count * (sizeof(float) + (in_place ? 0 : sizeof(BF16)))));
  void* probabilities = in_place ? static_cast<void*>(scores) : scores + score_count;
  for (int64_t head = 0; head < call.heads; head += heads) {
    for (int64_t row = 0; row < call.q_rows; row += rows) {
      const ScoreBlock block{head,        std::min(heads, call.heads - head),
                             row,         std::min(rows, call.q_rows - row),
                             call.k_rows, row_stride,
                             call.q_rows, call.heads};
      state_->scores(call, block, scores);
      score_softmax(state_->context, block, scores, call.scale, bias, call.dtype, probabilities);
      state_->values(call, block, probabilities);
    }
  }
}

}  // namespace wan::cuda
