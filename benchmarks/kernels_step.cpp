#include "kernels_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace wan::bench {
namespace {

constexpr float kEps = 1e-6f;
constexpr int64_t kHeadDim = 128;

float attention_scale() { return 1 / std::sqrt(static_cast<float>(kHeadDim)); }

TensorView columns(const Tensor& rows, int64_t begin, int64_t count) { return rows->slice(1, begin, begin + count); }

}  // namespace

const std::vector<DitShape>& dit_shapes() {
  static const std::vector<DitShape> shapes = {{"5b", 36080, 3072, 14336, 24, 30},
                                               {"14b-480p", 32760, 5120, 13824, 40, 40},
                                               {"14b-720p", 75600, 5120, 13824, 40, 40},
                                               {"s2v-1024x704", 63360, 5120, 13824, 40, 40, 2, 0, {56320, 20, 12}},
                                               {"animate-720p", 75600, 5120, 13824, 40, 40, 1, 257, {75600, 21, 8}}};
  return shapes;
}

DitLayer::DitLayer(cuda::CudaBackend& backend, const DitShape& shape) : backend_(backend), shape_(shape) {
  const int64_t l = shape.tokens, d = shape.width, f = shape.hidden;
  const auto bf16 = [&](const Shape& extents) { return random_tensor(backend, DType::kBF16, extents); };
  const auto f32 = [&](const Shape& extents) { return random_tensor(backend, DType::kF32, extents); };
  const auto weight = [&](int64_t out, int64_t in) {
    Tensor tensor = backend.allocate(DType::kBF16, {out, in}, "weight");
    backend.fill_normal(tensor, static_cast<uint64_t>(out), 0, 1 / std::sqrt(static_cast<float>(in)));
    return tensor;
  };
  x_ = f32({l, d});
  y_ = bf16({l, d});
  n_ = bf16({l, d});
  attended_ = bf16({l, d});
  q_ = bf16({l, d});
  qkv_ = bf16({l, 3 * d});
  hidden_ = bf16({l, f});
  text_k_ = bf16({DitShape::kText, d});
  text_v_ = bf16({DitShape::kText, d});
  cos_ = f32({l, kHeadDim / 2});
  sin_ = f32({l, kHeadDim / 2});
  vectors_ = f32({3, d});
  norm_weight_ = f32({d});
  w_qkv_ = weight(3 * d, d);
  w_square_ = weight(d, d);
  w_up_ = weight(f, d);
  w_down_ = weight(d, f);
  b_ = bf16({f > 3 * d ? f : 3 * d});
  add_products();
  add_attention();
  if (shape.image_tokens > 0) {
    image_k_ = bf16({shape.image_tokens, d});
    image_v_ = bf16({shape.image_tokens, d});
    operations_.push_back({"image-attention",
                           {.operations = 4.0 * static_cast<double>(l) * static_cast<double>(shape.image_tokens * d)},
                           [this, scale = attention_scale()] {
                             backend_.attention(q_, image_k_, image_v_, shape_.heads, scale, attended_);
                           }});
  }
  if (shape.injection.layers > 0) {
    own_k_ = bf16({shape.injection.frames * DitShape::Injection::kKeys, d});
    own_v_ = bf16({shape.injection.frames * DitShape::Injection::kKeys, d});
    add_injection();
  }
  add_norms();
  order();
}

void DitLayer::add_injection() {
  const DitShape::Injection& in = shape_.injection;
  const int64_t d = shape_.width;
  const double share = static_cast<double>(in.layers) / static_cast<double>(shape_.layers);
  const auto rows = [&in](const Tensor& all) { return all->slice(0, 0, in.tokens); };
  const double product = 2.0 * static_cast<double>(in.tokens) * static_cast<double>(d * d);
  const auto add = [&](const std::string& name, double operations, std::function<void()> call) {
    operations_.push_back({name, {.operations = operations}, std::move(call), share});
  };
  const TensorView bias = b_->slice(0, 0, d);
  add(fmt::format("injected q {}x{}x{}", in.tokens, d, d), product,
      [this, rows, bias] { backend_.linear(rows(n_), w_square_, bias, Activation::kNone, rows(q_)); });
  add("injected attention", 4.0 * static_cast<double>(in.tokens) * static_cast<double>(DitShape::Injection::kKeys * d),
      [this, rows, scale = attention_scale()] {
        backend_.attention_in_groups(rows(q_), own_k_, own_v_, shape_.injection.frames, shape_.heads, scale,
                                     rows(attended_));
      });
  add("injected o", product,
      [this, rows, bias] { backend_.linear(rows(attended_), w_square_, bias, Activation::kNone, rows(y_)); });
}

void DitLayer::add_products() {
  const auto add = [&](const char* name, const Tensor& from, const Tensor& w, Activation activation, const Tensor& to) {
    const int64_t m = from->shape[0], n = w->shape[0], k = w->shape[1];
    const TensorView bias = b_->slice(0, 0, n);
    operations_.push_back(
        {fmt::format("{} {}x{}x{}", name, m, n, k),
         {.operations = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k)},
         [this, &from, &w, activation, &to, bias] { backend_.linear(from, w, bias, activation, to); }});
  };
  add("qkv", n_, w_qkv_, Activation::kNone, qkv_);
  add("self o", attended_, w_square_, Activation::kNone, y_);
  add("cross q", n_, w_square_, Activation::kNone, q_);
  add("cross o", attended_, w_square_, Activation::kNone, y_);
  add("ffn up gelu", n_, w_up_, Activation::kGeluTanh, hidden_);
  add("ffn down", hidden_, w_down_, Activation::kNone, y_);
}

void DitLayer::add_attention() {
  const int64_t l = shape_.tokens, d = shape_.width;
  const float scale = attention_scale();
  operations_.push_back({fmt::format("self-attention {}x{}", l, shape_.heads),
                         {.operations = 4.0 * static_cast<double>(l) * static_cast<double>(l * d)},
                         [this, d, scale] {
                           backend_.attention(columns(qkv_, 0, d), columns(qkv_, d, d), columns(qkv_, 2 * d, d),
                                              shape_.heads, scale, attended_);
                         }});
  operations_.push_back({"cross-attention",
                         {.operations = 4.0 * static_cast<double>(l) * static_cast<double>(DitShape::kText * d)},
                         [this, scale] { backend_.attention(q_, text_k_, text_v_, shape_.heads, scale, attended_); }});
}

void DitLayer::add_norms() {
  const int64_t d = shape_.width;
  const double elements = static_cast<double>(shape_.tokens * d);
  const double table = static_cast<double>(shape_.tokens * kHeadDim) * 4;
  const TensorView gate = vectors_->slice(0, 0, 1), shift = vectors_->slice(0, 1, 2), scale = vectors_->slice(0, 2, 3);
  const auto rope = [this, d](int64_t at) {
    const TensorView part = columns(qkv_, at, d);
    backend_.rms_norm_rope(part, norm_weight_, kEps, cos_, sin_, shape_.heads, part);
  };
  operations_.push_back({"rms_norm_rope q", {.bytes = 4 * elements + table}, [rope] { rope(0); }});
  operations_.push_back({"rms_norm_rope k", {.bytes = 4 * elements + table}, [rope, d] { rope(d); }});
  operations_.push_back({"gated_residual_layer_norm", {.bytes = 12 * elements}, [this, gate, shift, scale] {
                           backend_.gated_residual_layer_norm(x_, y_, gate, {}, scale.at(0), shift.at(0), kEps, n_);
                         }});
  operations_.push_back(
      {"rms_norm cross q", {.bytes = 4 * elements}, [this] { backend_.rms_norm(q_, norm_weight_, kEps, q_); }});
  operations_.push_back({"residual_modulated_norm", {.bytes = 12 * elements}, [this, shift, scale] {
                           backend_.gated_residual_modulated_norm(x_, y_, {}, shift, scale, {}, kEps, n_);
                         }});
  operations_.push_back({"gated_residual_modulated_norm", {.bytes = 12 * elements}, [this, gate, shift, scale] {
                           backend_.gated_residual_modulated_norm(x_, y_, gate, shift, scale, {}, kEps, n_);
                         }});
}

void DitLayer::order() {
  const std::vector<std::string> starts = {"qkv",
                                           "rms_norm_rope q",
                                           "rms_norm_rope k",
                                           "self-attention",
                                           "self o",
                                           "gated_residual_layer_norm",
                                           "cross q",
                                           "rms_norm cross q",
                                           "cross-attention",
                                           "image-attention",
                                           "cross o",
                                           "residual_modulated_norm",
                                           "ffn up",
                                           "ffn down",
                                           "gated_residual_modulated_norm",
                                           "injected q",
                                           "injected attention",
                                           "injected o"};
  std::vector<Operation> ordered;
  for (const std::string& start : starts) {
    const auto found = std::find_if(operations_.begin(), operations_.end(),
                                    [&](const Operation& operation) { return operation.name.rfind(start, 0) == 0; });
    if (found != operations_.end()) ordered.push_back(*found);
  }
  operations_ = std::move(ordered);
}

void run_step(cuda::CudaBackend& backend, const DitShape& shape, double seconds, bool matrix_only,
              const Ceilings& ceilings) {
  constexpr int kAhead = 4;  // layers issued before the host waits
  const DitLayer layer(backend, shape);
  std::vector<const Operation*> chosen;
  for (const Operation& operation : layer.operations()) {
    if (!matrix_only || operation.is_matrix()) chosen.push_back(&operation);
  }
  std::vector<std::vector<double>> times_us(chosen.size());
  std::vector<double> layer_us;
  double spent_us = 0;
  while (spent_us < seconds * 1e6) {
    std::vector<Event> events{backend.record(Queue::kCompute)};
    for (int i = 0; i < kAhead; ++i) {
      for (const Operation* operation : chosen) {
        operation->call();
        events.push_back(backend.record(Queue::kCompute));
      }
    }
    backend.synchronize(events.back());
    for (size_t i = 0; i + 1 < events.size(); ++i) {
      float ms = 0;
      cuda::check(cudaEventElapsedTime(&ms, cuda::Events::handle(events[i]), cuda::Events::handle(events[i + 1])));
      if (i % chosen.size() == 0) layer_us.push_back(0);
      layer_us.back() += ms * 1e3;
      spent_us += ms * 1e3;
      if (spent_us > seconds * 0.5e6) times_us[i % chosen.size()].push_back(ms * 1e3);
    }
  }
  fmt::print("\n{}: {} back to back for {:.0f} s, times of the second half\n", shape.name,
             matrix_only ? "products and attention" : "all operations of a layer", spent_us * 1e-6);
  print_header();
  double total_us = 0, surplus_us = 0;  // the latter of what not every layer has
  Cost total;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const Times times = summary(times_us[i]);
    print_row(chosen[i]->name, times, chosen[i]->cost, ceilings);
    total_us += chosen[i]->per_layer * times.median_us;
    surplus_us += (1 - chosen[i]->per_layer) * times.median_us;
    total.operations += chosen[i]->per_layer * chosen[i]->cost.operations;
  }
  const Times halves = summary({layer_us.begin() + static_cast<std::ptrdiff_t>(layer_us.size() / 2), layer_us.end()});
  const double scale = static_cast<double>(shape.forwards * shape.layers) * 1e-6;
  fmt::print(
      "{} {} of a step {} ({} layers x {}): {:.3f} s (sum of medians), {:.3f} s (median layer; p10 {:.3f}, p90 "
      "{:.3f}), {:.0f} TFLOP/s\n",
      shape.name, matrix_only ? "floor" : "layers", shape.forwards > 1 ? "with guidance" : "of one branch",
      shape.layers, shape.forwards, total_us * scale, (halves.median_us - surplus_us) * scale,
      (halves.low_us - surplus_us) * scale, (halves.high_us - surplus_us) * scale,
      total.operations / (halves.median_us - surplus_us) * 1e-6);
}

}  // namespace wan::bench
