#include "kernels_attention8.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace wan::bench {
namespace {

constexpr int64_t kHeadDim = 128;

struct Form {
  const char* name;
  AttentionForm form;
  double most;  // relative error against bf16 on normal data, twice what the format costs
};
constexpr Form kForms[] = {{"8+16", AttentionForm::k8And16, 0.025}, {"8+8", AttentionForm::k8And8, 0.08}};

/// Relative distance of two tensors in bf16.
double distance(cuda::CudaBackend& backend, const Tensor& a, const Tensor& b) {
  const Tensor x = host_tensor(DType::kBF16, a->shape), y = host_tensor(DType::kBF16, b->shape);
  backend.copy_bytes(a, x, Queue::kCompute);
  backend.copy_bytes(b, y, Queue::kCompute);
  backend.synchronize();
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < x->count(); ++i) {
    const double want = to_float(x->as<BF16>()[i]), got = to_float(y->as<BF16>()[i]);
    difference += (got - want) * (got - want);
    norm += want * want;
  }
  return std::sqrt(difference / norm);
}

/// Operands in 8 bits that own their memory.
struct Quantized {
  Tensor memory;
  Attention8 a;
  Quantized(cuda::CudaBackend& backend, const DitShape& shape, AttentionForm form) {
    Arena dry = Arena::dry();
    allocate_attention8(dry, shape.tokens, shape.tokens, shape.heads, form);
    memory = backend.allocate(DType::kU8, {static_cast<int64_t>(dry.peak())}, "attention in 8 bits");
    Arena arena(memory);
    a = allocate_attention8(arena, shape.tokens, shape.tokens, shape.heads, form);
  }
};

}  // namespace

void run_attention8(cuda::CudaBackend& backend, const DitShape& shape, double seconds, const Ceilings& ceilings) {
  if (!backend.has_attention8()) {
    fmt::print("{}: no attention in 8 bits on this card\n", shape.name);
    return;
  }
  const int64_t l = shape.tokens, d = shape.width;
  const float scale = 1 / std::sqrt(static_cast<float>(kHeadDim));
  const Tensor qkv = random_tensor(backend, DType::kBF16, {l, 3 * d});
  const TensorView q = qkv->slice(1, 0, d), k = qkv->slice(1, d, 2 * d), v = qkv->slice(1, 2 * d, 3 * d);
  const Tensor want = backend.allocate(DType::kBF16, {l, d}, "attention"),
               y = backend.allocate(DType::kBF16, {l, d}, "attention");
  const auto in_bf16 = [&] { backend.attention(q, k, v, shape.heads, scale, want); };
  in_bf16();
  const Cost work{.operations = 4.0 * static_cast<double>(l) * static_cast<double>(l * d)};
  for (const Form& form : kForms) {
    Quantized quantized(backend, shape, form.form);
    Attention8& a = quantized.a;
    const auto quantize = [&] { backend.quantize_attention(q, k, v, a); };
    const auto attend = [&] { backend.attention8(a, scale, y); };
    quantize();
    attend();
    const double error = distance(backend, want, y);
    fmt::print("{} attention {}x{} {}: {:.2f} % from bf16\n", shape.name, l, shape.heads, form.name, 100 * error);
    require(error < form.most,
            fmt::format("attention {} is {:.2f} % from bf16, more than the {:.1f} % its format explains", form.name,
                        100 * error, 100 * form.most),
            ErrorKind::kRuntime);
    print_header();
    double bf16_us = 0, own_us = 0, both_us = 0;
    for (int round = 0; round < 2; ++round) {
      const auto row = [&](const std::string& what, const Cost& cost, const std::function<void()>& call) {
        const Times times = time_calls(backend, seconds, call);
        print_row(fmt::format("{} attention {}x{} {}", shape.name, l, shape.heads, what), times, cost, ceilings);
        return times.median_us;
      };
      bf16_us += row("bf16", work, in_bf16);
      own_us += row(form.name, work, attend);
      both_us += row(fmt::format("{}, quantising", form.name), work, [&] { quantize(), attend(); });
      row(fmt::format("quantising for {}", form.name), {.bytes = static_cast<double>(qkv->bytes())}, quantize);
    }
    fmt::print("{} attention: {} {:.3f}x of bf16, {:.3f}x with quantising\n", shape.name, form.name, bf16_us / own_us,
               bf16_us / both_us);
  }
}

}  // namespace wan::bench
