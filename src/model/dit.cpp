// The DiT's forward pass: reads like the paper, one operation a line.
#include "model/dit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "backend/patch.h"
#include "base/error.h"
#include "comm/communicator.h"

namespace wan {
namespace {

constexpr int64_t kRopeLimit = 1024;  // positions an axis of the official table has

/// Writes the pairs one RoPE axis with `channels` channels owns: cos and sin of position * 10000^(-2j/channels).
void fill_axis(std::span<const int64_t> positions, int64_t channels, int64_t first_pair, int64_t pairs, float* cos,
               float* sin) {
  const int64_t own = channels / 2;
  const auto [lowest, highest] = std::minmax_element(positions.begin(), positions.end());
  const int64_t first = *lowest, extent = *highest - first + 1;
  std::vector<float> table(static_cast<size_t>(2 * extent * own));  // each position's cosines, then its sines
  for (int64_t p = 0; p < extent; ++p)
    for (int64_t j = 0; j < own; ++j) {
      const double frequency = std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(channels));
      const double angle = static_cast<double>(first + p) * frequency;
      table[static_cast<size_t>(2 * p * own + j)] = static_cast<float>(std::cos(angle));
      table[static_cast<size_t>((2 * p + 1) * own + j)] = static_cast<float>(std::sin(angle));
    }
  for (size_t l = 0; l < positions.size(); ++l) {
    const float* row = table.data() + 2 * (positions[l] - first) * own;
    const int64_t to = static_cast<int64_t>(l) * pairs + first_pair;
    std::copy(row, row + own, cos + to);
    std::copy(row + own, row + 2 * own, sin + to);
  }
}

}  // namespace

/// Buffers of one forward pass. `wide` serves, one after the other, the fused q/k/v rows, the cross-attention queries
/// and the feed-forward's hidden rows.
struct Dit::Activations {
  TensorView x;           // residual F32 [L, d]
  TensorView n;           // normalised rows [L, d], then attention output
  TensorView y;           // a branch's output [L, d]
  TensorView wide;        // [L * max(3 d, f)]
  TensorView out_rows;    // F32 [L, patch_out]: of the head
  TensorView modulation;  // F32 [layers, U, 6 d], then the head's [U, 2 d]
  TensorView head_modulation;
  TensorView row_index;              // I32 [L] or empty when U = 1
  TensorView values, value_scale;    // of 8-bit products: I8 of L rows, or of attention's operands; F32 [L]
  TensorView weights, weight_scale;  // I8 [the largest matrix] and F32 [its rows]
  TensorView heads, attended;        // of some heads, but of all tokens: [tokens, 3, d / ranks], [tokens, d / ranks]
  int64_t rows = 1;                  // U
};

/// The products of one block: in 8 bits, or as they are.
class Dit::Products {
 public:
  Products(Backend& backend, Activations& act, TensorView slab, const WeightLayout& layout)
      : backend_(backend), act_(act), slab_(slab), layout_(layout) {}

  /// y = activation(x W^T + bias) of the weights NAME.weight and NAME.bias.
  void run(bool in_8_bits, TensorView x, const char* name, Activation activation, TensorView y) {
    const TensorView weight = layout_.view(slab_, fmt::format("{}.weight", name));
    const TensorView bias = layout_.view(slab_, fmt::format("{}.bias", name));
    if (!in_8_bits) return backend_.linear(x, weight, bias, activation, y);
    const Int8Rows rows = rows_like(x, act_.values, act_.value_scale);
    const Int8Rows matrix = rows_like(weight, act_.weights, act_.weight_scale);
    backend_.quantize_rows(x, rows);
    backend_.quantize_rows(weight, matrix);
    backend_.linear_int8(rows, matrix, bias, activation, y);
  }

 private:
  static Int8Rows rows_like(TensorView x, TensorView values, TensorView scale) {
    return {values.slice(0, 0, x.count()).reshape(x.shape), scale.slice(0, 0, x.shape[0])};
  }

  Backend& backend_;
  Activations& act_;
  TensorView slab_;
  const WeightLayout& layout_;
};

RowRange rows_of_rank(int64_t tokens, int rank, int size) {
  constexpr int64_t kTogether = 16;
  const int64_t each = ((tokens + size - 1) / size + kTogether - 1) / kTogether * kTogether;
  return {std::min(rank * each, tokens), std::min((rank + 1) * each, tokens)};
}

Dit::Dit(Backend& backend, const DitConfig& config, DType compute, TensorView stem, const DitQuantization& quantization,
         Communicator* ranks)
    : backend_(backend),
      config_(config),
      compute_(compute),
      quantization_(quantization),
      stem_layout_(dit_stem_layout(config, compute)),
      block_layout_(dit_block_layout(config, 0, compute)),
      stem_(stem),
      ranks_(ranks) {
  require(ranks == nullptr || config.num_heads % ranks->size() == 0,
          fmt::format("{} ranks cannot share the model's {} heads evenly: take a number that divides them",
                      ranks == nullptr ? 1 : ranks->size(), config.num_heads),
          ErrorKind::kUsage);
  require_op(config.patch == Patch{1, kPatchSide, kPatchSide},
             fmt::format("the backend's operations cut a latent into patches of 1 x {0} x {0}", kPatchSide));
}

RowRange Dit::rows_of_rank(int rank) const { return wan::rows_of_rank(grid_.tokens(), rank, ranks_->size()); }

void Dit::set_grid(const PatchGrid& grid, Tables tables, std::span<const TokenPosition> behind) {
  require(grid.frames <= kRopeLimit && grid.rows <= kRopeLimit && grid.columns <= kRopeLimit,
          fmt::format("a latent of {} x {} x {} patches exceeds the model's position tables ({} on each axis)",
                      grid.frames, grid.rows, grid.columns, kRopeLimit),
          ErrorKind::kUsage);
  grid_ = grid;
  rows_ = {0, grid.tokens()};
  if (ranks_ != nullptr) {
    require_op(behind.empty(), "an extension's tokens are not shared among ranks");
    rows_ = rows_of_rank(ranks_->rank());
    require(rows_of_rank(ranks_->size() - 1).count() > 0,
            fmt::format("{} tokens are too few for {} ranks, of which each but the last takes whole sixteens",
                        grid.tokens(), ranks_->size()),
            ErrorKind::kUsage);
  }
  length_ = rows_.count() + static_cast<int64_t>(behind.size());
  const int64_t length = length_;
  const int64_t pairs = config_.head_dim() / 2;
  rope_cos_ = backend_.allocate(DType::kF32, {length, pairs}, "RoPE table");
  rope_sin_ = backend_.allocate(DType::kF32, {length, pairs}, "RoPE table");
  first_frame_index_ = backend_.allocate(DType::kI32, {length}, "token rows");
  if (tables == Tables::kFilled) fill_tables(behind);
}

void Dit::fill_tables(std::span<const TokenPosition> behind) {
  const PatchGrid& grid = grid_;
  const int64_t length = length_, latent_tokens = rows_.count();
  const int64_t pairs = config_.head_dim() / 2;
  const int64_t spatial = 2 * (config_.head_dim() / 6);
  const std::array<int64_t, 3> channels{config_.head_dim() - 2 * spatial, spatial, spatial};
  std::array<std::vector<int64_t>, 3> positions;
  for (auto& axis : positions) axis.resize(static_cast<size_t>(length));
  const auto put = [&](int64_t token, const TokenPosition& at) {
    positions[0][static_cast<size_t>(token)] = at.frame;
    positions[1][static_cast<size_t>(token)] = at.row;
    positions[2][static_cast<size_t>(token)] = at.column;
  };
  for (int64_t l = rows_.begin; l < rows_.end; ++l)
    put(l - rows_.begin, {l / (grid.rows * grid.columns), l / grid.columns % grid.rows, l % grid.columns});
  for (size_t i = 0; i < behind.size(); ++i) put(latent_tokens + static_cast<int64_t>(i), behind[i]);
  Tensor cos = host_tensor(DType::kF32, {length, pairs});
  Tensor sin = host_tensor(DType::kF32, {length, pairs});
  int64_t first = 0;
  for (size_t axis = 0; axis < 3; ++axis) {
    fill_axis(positions[axis], channels[axis], first, pairs, cos->as<float>(), sin->as<float>());
    first += channels[axis] / 2;
  }
  backend_.upload(cos, rope_cos_);
  backend_.upload(sin, rope_sin_);
  Tensor index = host_tensor(DType::kI32, {length});
  for (int64_t l = 0; l < length; ++l) {
    const bool is_clean = behind.empty() ? rows_.begin + l < grid.rows * grid.columns : l >= latent_tokens;
    index->as<int32_t>()[l] = is_clean ? 0 : 1;
  }
  backend_.upload(index, first_frame_index_);
}

TextContext Dit::embed_text(TensorView text, Probe* probe) {
  require_op(text.rank() == 2 && text.shape[1] == config_.text_dim && text.shape[0] <= config_.text_len,
             fmt::format("text rows are {}, expected at most {} rows of {}", text.shape.text(), config_.text_len,
                         config_.text_dim));
  const int64_t d = config_.dim;
  Tensor padded = backend_.allocate(compute_, {config_.text_len, config_.text_dim}, "text rows");
  backend_.fill_zero(padded);
  backend_.upload(text, padded.view().slice(0, 0, text.shape[0]));
  Tensor hidden = backend_.allocate(compute_, {config_.text_len, d}, "text embedding");
  TextContext context;
  context.embedded = backend_.allocate(compute_, {config_.text_len, d}, "text embedding");
  context.keys_values =
      backend_.allocate(compute_, {config_.num_layers, config_.text_len, 2 * d}, "cross-attention keys and values");
  context.filled.assign(static_cast<size_t>(config_.num_layers), false);
  backend_.linear(padded, stem("text_embedding.0.weight"), stem("text_embedding.0.bias"), Activation::kGeluTanh,
                  hidden);
  backend_.linear(hidden, stem("text_embedding.2.weight"), stem("text_embedding.2.bias"), Activation::kNone,
                  context.embedded);
  if (probe != nullptr) probe->tensor("text_embedding", context.embedded);
  backend_.synchronize();  // the temporaries go now
  return context;
}

TimeTable Dit::embed_times(std::span<const double> timesteps) {
  const int64_t n = static_cast<int64_t>(timesteps.size());
  const int64_t half = config_.freq_dim / 2;
  const int64_t d = config_.dim;
  Tensor angles = host_tensor(DType::kF32, {n, config_.freq_dim});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < half; ++k) {
      const double angle =
          timesteps[static_cast<size_t>(i)] * std::pow(10000.0, -static_cast<double>(k) / static_cast<double>(half));
      angles->as<float>()[i * config_.freq_dim + k] = static_cast<float>(std::cos(angle));
      angles->as<float>()[i * config_.freq_dim + half + k] = static_cast<float>(std::sin(angle));
    }
  TimeTable table;
  table.timesteps.assign(timesteps.begin(), timesteps.end());
  Tensor sinusoid = backend_.allocate(DType::kF32, {n, config_.freq_dim}, "time embedding");
  Tensor hidden = backend_.allocate(DType::kF32, {n, d}, "time embedding");
  table.e = backend_.allocate(DType::kF32, {n, d}, "time embedding");
  table.e0 = backend_.allocate(DType::kF32, {n, 6 * d}, "time embedding");
  backend_.upload(angles, sinusoid);
  backend_.linear(sinusoid, stem("time_embedding.0.weight"), stem("time_embedding.0.bias"), Activation::kSilu, hidden);
  backend_.linear(hidden, stem("time_embedding.2.weight"), stem("time_embedding.2.bias"), Activation::kNone, table.e);
  backend_.activate(table.e, Activation::kSilu, hidden);
  backend_.linear(hidden, stem("time_projection.1.weight"), stem("time_projection.1.bias"), Activation::kNone,
                  table.e0);
  backend_.synchronize();
  return table;
}

void Dit::prepare_modulation(const Call& call, Activations& act) {
  const int64_t d = config_.dim;
  const std::array<int, 2> rows{call.first_frame_row, call.time_row};
  const TensorView modulations = stem("modulations");
  const TensorView head = stem("head.modulation");
  for (int64_t u = 0; u < act.rows; ++u) {
    const int row = act.rows == 1 ? call.time_row : rows[static_cast<size_t>(u)];
    const TensorView e = call.times->e.view().at(row);
    const TensorView e0 = call.times->e0.view().at(row);
    const int64_t blocks = call.blocks == Blocks::kReused ? 0 : config_.num_layers;
    for (int64_t block = 0; block < blocks; ++block) {
      const std::array<Term, 2> terms{Term{1.0f, modulations.at(block)}, Term{1.0f, e0}};
      backend_.combine(terms, act.modulation.at(block).at(u));
    }
    for (int64_t part = 0; part < 2; ++part) {
      const std::array<Term, 2> terms{Term{1.0f, head.at(part)}, Term{1.0f, e}};
      backend_.combine(terms, act.head_modulation.at(u).slice(0, part * d, (part + 1) * d));
    }
  }
}

namespace {

/// Row block `part` of modulation rows [U, parts * d].
TensorView part_of(const TensorView& modulation, int64_t part, int64_t d) {
  return modulation.slice(1, part * d, (part + 1) * d);
}

}  // namespace

namespace {

AttentionForm form_of(const DitQuantization& quantization) {
  return quantization.attention ? AttentionForm::k8And8 : AttentionForm::k8And16;
}

}  // namespace

/// out = attention of some heads. In 8 bits its operands lie where those of products do.
void Dit::attend_with(int64_t heads, TensorView q, TensorView k, TensorView v, const DitQuantization& in_8_bits,
                      const Activations& act, TensorView out) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim()));
  if (!in_8_bits.attends()) return backend_.attention(q, k, v, heads, scale, out);
  Arena memory(act.values);
  Attention8 operands = allocate_attention8(memory, q.shape[0], k.shape[0], heads, form_of(in_8_bits));
  backend_.quantize_attention(q, k, v, operands);
  backend_.attention8(operands, scale, out);
}

/// Self-attention of the rows qkv [L, 3 d] into act.n. With several ranks each attends with its heads of all tokens.
void Dit::attend(TensorView qkv, const DitQuantization& in_8_bits, const Activations& act) {
  const int64_t d = config_.dim, heads = config_.num_heads;
  if (ranks_ == nullptr)
    return attend_with(heads, qkv.slice(1, 0, d), qkv.slice(1, d, 2 * d), qkv.slice(1, 2 * d, 3 * d), in_8_bits, act,
                       act.n);
  const int size = ranks_->size();
  const int64_t own = d / size;
  const TensorView mine = qkv.reshape({length_, 3, d});
  std::vector<TensorView> rows_to, rows_from, heads_to, heads_from;
  for (int rank = 0; rank < size; ++rank) {
    const RowRange rows = rows_of_rank(rank);
    rows_to.push_back(mine.slice(2, rank * own, (rank + 1) * own));
    rows_from.push_back(act.heads.slice(0, rows.begin, rows.end));
    heads_to.push_back(act.attended.slice(0, rows.begin, rows.end));
    heads_from.push_back(act.n.slice(1, rank * own, (rank + 1) * own));
  }
  ranks_->all_to_all(rows_to, rows_from, "all_to_all qkv");
  attend_with(heads / size, act.heads.select(1, 0), act.heads.select(1, 1), act.heads.select(1, 2), in_8_bits, act,
              act.attended);
  ranks_->all_to_all(heads_to, heads_from, "all_to_all attention output");
}

/// Every rank's rows of the head's output, of which act.out_rows has this rank's.
void Dit::gather_head(const Activations& act) {
  if (ranks_ == nullptr) return;
  std::vector<TensorView> all;
  for (int rank = 0; rank < ranks_->size(); ++rank) {
    const RowRange rows = rows_of_rank(rank);
    all.push_back(act.out_rows.slice(0, rows.begin, rows.end));
  }
  ranks_->all_gather(all[static_cast<size_t>(ranks_->rank())], all, "all_gather head");
}

void Dit::run_block(int index, TensorView slab, const Call& call, Activations& act, const TensorView& modulation) {
  Backend& b = backend_;
  const int64_t length = length_;
  const int64_t d = config_.dim;
  const int64_t heads = config_.num_heads;
  const float eps = config_.eps;
  const float scale = 1.0f / std::sqrt(static_cast<float>(config_.head_dim()));
  const auto w = [&](const char* name) { return block_layout_.view(slab, name); };
  const bool quantizes = !call.is_whole && quantization_.takes_block(index, config_.num_layers);
  const DitQuantization in_8_bits = quantizes ? quantization_ : DitQuantization{};
  Products products(b, act, slab, block_layout_);
  const std::string prefix = index == 0 && call.probe != nullptr ? "blocks.0." : "";
  const auto probe = [&](const char* name, const TensorView& value) {
    if (!prefix.empty()) call.probe->tensor(prefix + name, value);
  };

  // Self-attention; act.n holds the modulated input.
  const TensorView qkv(act.wide.data, compute_, {length, 3 * d}, act.wide.memory);
  const TensorView q = qkv.slice(1, 0, d), k = qkv.slice(1, d, 2 * d);
  products.run(in_8_bits.qkv, act.n, "self_attn.qkv", Activation::kNone, qkv);
  b.rms_norm_rope(q, w("self_attn.norm_q.weight"), eps, rope_cos_, rope_sin_, heads, q);
  b.rms_norm_rope(k, w("self_attn.norm_k.weight"), eps, rope_cos_, rope_sin_, heads, k);
  attend(qkv, in_8_bits, act);
  products.run(in_8_bits.o, act.n, "self_attn.o", Activation::kNone, act.y);
  probe("self_attn", act.y);
  b.gated_residual_layer_norm(act.x, act.y, part_of(modulation, 2, d), act.row_index, w("norm3.weight"),
                              w("norm3.bias"), eps, act.n);

  // Cross-attention: all text rows, padding included, without a mask.
  TextContext& text = *call.text;
  const TensorView keys_values = text.keys_values.view().at(index);
  const TensorView text_k = keys_values.slice(1, 0, d), text_v = keys_values.slice(1, d, 2 * d);
  if (!text.filled[static_cast<size_t>(index)]) {
    b.linear(text.embedded, w("cross_attn.kv.weight"), w("cross_attn.kv.bias"), Activation::kNone, keys_values);
    b.rms_norm(text_k, w("cross_attn.norm_k.weight"), eps, text_k);
    text.filled[static_cast<size_t>(index)] = true;
  }
  const TensorView cross_q(act.wide.data, compute_, {length, d}, act.wide.memory);
  products.run(in_8_bits.cross, act.n, "cross_attn.q", Activation::kNone, cross_q);
  b.rms_norm(cross_q, w("cross_attn.norm_q.weight"), eps, cross_q);
  b.attention(cross_q, text_k, text_v, heads, scale, act.n);
  if (call.extension != nullptr) call.extension->attend(index, slab, cross_q, rows_of(call, act));
  products.run(in_8_bits.cross, act.n, "cross_attn.o", Activation::kNone, act.y);
  probe("cross_attn", act.y);
  b.gated_residual_modulated_norm(act.x, act.y, {}, part_of(modulation, 3, d), part_of(modulation, 4, d), act.row_index,
                                  eps, act.n);

  // Feed-forward; its gated residual is fused with the next layer's norm by the caller.
  const TensorView hidden(act.wide.data, compute_, {length, config_.ffn_dim}, act.wide.memory);
  products.run(in_8_bits.ffn, act.n, "ffn.0", Activation::kGeluTanh, hidden);
  products.run(in_8_bits.ffn, hidden, "ffn.2", Activation::kNone, act.y);
  probe("ffn", act.y);
}

Dit::Activations Dit::allocate_activations(const Call& call, Arena& arena) {
  const int64_t length = length_, d = config_.dim;
  const int64_t patch_in = config_.in_dim * config_.patch.positions();
  const int64_t patch_out = config_.out_dim * config_.patch.positions();
  // What the blocks added is worked out where they have computed: the embedded patches in F32, and the patches.
  const auto f32 = static_cast<int64_t>(size_of(DType::kF32) / size_of(compute_));
  const int64_t kept = call.residual.empty() ? 0 : f32 * d + patch_in;
  Activations act;
  act.rows = call.first_frame_row >= 0 ? 2 : 1;
  if (act.rows == 2) act.row_index = first_frame_index_;
  act.x = arena.allocate(DType::kF32, {length, d}, "DiT residual");
  act.n = arena.allocate(compute_, {length, d}, "DiT activations");
  act.y = arena.allocate(compute_, {length, d}, "DiT activations");
  // The patches are of the whole latent.
  const int64_t wide = std::max(length * std::max({3 * d, config_.ffn_dim, kept}), grid_.tokens() * patch_in);
  act.wide = arena.allocate(compute_, {wide}, "DiT activations");
  act.out_rows = arena.allocate(DType::kF32, {grid_.tokens(), patch_out}, "DiT output");
  if (ranks_ != nullptr) {
    const int64_t own = d / ranks_->size();
    act.heads = arena.allocate(compute_, {grid_.tokens(), 3, own}, "DiT heads of all tokens");
    act.attended = arena.allocate(compute_, {grid_.tokens(), own}, "DiT heads of all tokens");
  }
  if (quantization_.any()) {
    const int64_t f = config_.ffn_dim;
    int64_t bytes = length * std::max(d, f);
    if (quantization_.attends()) {
      Arena counted = Arena::dry();
      const int64_t tokens = ranks_ != nullptr ? grid_.tokens() : length, size = ranks_ != nullptr ? ranks_->size() : 1;
      allocate_attention8(counted, tokens, tokens, config_.num_heads / size, form_of(quantization_));
      bytes = std::max(bytes, static_cast<int64_t>(counted.peak()));
    }
    act.values = arena.allocate(DType::kI8, {bytes}, "DiT rows in 8 bits");
    act.value_scale = arena.allocate(DType::kF32, {length}, "DiT rows in 8 bits");
    act.weights = arena.allocate(DType::kI8, {d * std::max(3 * d, f)}, "DiT weights in 8 bits");
    act.weight_scale = arena.allocate(DType::kF32, {std::max(3 * d, f)}, "DiT weights in 8 bits");
  }
  act.modulation = arena.allocate(DType::kF32, {config_.num_layers, act.rows, 6 * d}, "DiT modulation");
  act.head_modulation = arena.allocate(DType::kF32, {act.rows, 2 * d}, "DiT modulation");
  return act;
}

void Dit::embed_patches(TensorView latent, TensorView patches, TensorView x) {
  backend_.patchify(latent, patches);
  backend_.linear(patches.slice(0, rows_.begin, rows_.end), stem("patch_embedding.weight"),
                  stem("patch_embedding.bias"), Activation::kNone, x);
}

/// From act.x, the embedded patches, to act.x behind the last block and the head's modulated rows.
void Dit::run_blocks(const Call& call, LayerSource& blocks, Activations& act, const TensorView& head_rows) {
  Backend& b = backend_;
  const int64_t d = config_.dim, layers = config_.num_layers;
  const float eps = config_.eps;
  const auto modulation = [&](int64_t block) { return act.modulation.at(block); };
  b.modulated_layer_norm(act.x, part_of(modulation(0), 0, d), part_of(modulation(0), 1, d), act.row_index, eps, act.n);
  for (int64_t i = 0; i < layers; ++i) {
    const int block = static_cast<int>(i);
    run_block(block, blocks.acquire(block), call, act, modulation(i));
    blocks.release(block);
    const TensorView gate = part_of(modulation(i), 5, d);
    const bool last = i + 1 == layers;
    const TensorView& next = last ? act.head_modulation : act.modulation.at(i + 1);
    const TensorView out = last ? head_rows : act.n;
    const bool is_changed = call.extension != nullptr && call.extension->changes_after(block);
    if (is_changed)
      b.gated_residual(act.x, act.y, gate, act.row_index);
    else
      b.gated_residual_modulated_norm(act.x, act.y, gate, part_of(next, 0, d), part_of(next, 1, d), act.row_index, eps,
                                      out);
    if (call.probe != nullptr) call.probe->tensor(fmt::format("blocks.{}", i), act.x);
    if (!is_changed) continue;
    call.extension->after_block(block, rows_of(call, act));
    b.modulated_layer_norm(act.x, part_of(next, 0, d), part_of(next, 1, d), act.row_index, eps, out);
  }
}

DitExtension::Rows Dit::rows_of(const Call& call, const Activations& act) const {
  return {act.x, act.n, act.y, act.wide, grid_.tokens(), call.probe};
}

/// The embedded patches are worked out once more, to the same bits: to keep them through the blocks would take memory
/// of a residual stream. Behind the head, whose rows are in the same memory.
void Dit::keep_residual(const Call& call, Activations& act) {
  const int64_t length = grid_.tokens(), d = config_.dim;
  const TensorView embedded(act.wide.data, DType::kF32, {length, d}, act.wide.memory);
  const TensorView patches(static_cast<std::byte*>(act.wide.data) + embedded.bytes(), compute_,
                           {length, config_.in_dim * config_.patch.positions()}, act.wide.memory);
  embed_patches(call.latent, patches, embedded);
  backend_.combine(std::array{Term{1.0f, act.x}, Term{-1.0f, embedded}}, act.x);
  backend_.copy(act.x, call.residual);
}

void Dit::forward(const Call& call, LayerSource& blocks, Arena& arena, TensorView velocity) {
  Backend& b = backend_;
  const ArenaScope scope(arena);
  const int64_t latent_tokens = rows_.count(), d = config_.dim;
  const Patch& patch = config_.patch;
  const bool reuses = call.blocks == Blocks::kReused;
  require_op(call.latent.shape == Shape({config_.in_dim, grid_.frames * patch.frames, grid_.rows * patch.rows,
                                         grid_.columns * patch.columns}),
             fmt::format("latent is {}, not what set_grid announced", call.latent.shape.text()));
  require_op(!reuses || !call.residual.empty(), "a forward that reuses the blocks has to have their residual");
  require_op((call.extension != nullptr ? call.extension->tokens() : 0) == length_ - latent_tokens &&
                 (call.extension == nullptr || (!reuses && call.residual.empty())),
             "an extension's tokens are those that set_grid was told, and its blocks are computed");
  require_op(ranks_ == nullptr || (call.probe == nullptr && call.extension == nullptr && call.residual.empty()),
             "a probe, an extension and a residual are of all tokens, which are shared among ranks here");
  Activations act = allocate_activations(call, arena);
  prepare_modulation(call, act);

  const TensorView patches(act.wide.data, compute_, {grid_.tokens(), config_.in_dim * patch.positions()},
                           act.wide.memory);
  embed_patches(call.latent, patches, act.x.slice(0, 0, latent_tokens));
  if (call.probe != nullptr) call.probe->tensor("patch_embedding", act.x.slice(0, 0, latent_tokens));
  if (call.extension != nullptr) {
    call.extension->add_to_tokens(rows_of(call, act));
    if (call.probe != nullptr) call.probe->tensor("tokens", act.x);
  } else if (call.probe != nullptr) {
    b.layer_norm(act.x, {}, {}, config_.eps, act.n);
    call.probe->tensor("blocks.0.norm1", act.n);
  }
  // The head works in F32, on the memory the last feed-forward leaves free.
  const TensorView head_rows(act.wide.data, DType::kF32, {length_, d}, act.wide.memory);
  if (reuses) {
    b.add(call.residual, act.x);
    b.modulated_layer_norm(act.x, part_of(act.head_modulation, 0, d), part_of(act.head_modulation, 1, d), act.row_index,
                           config_.eps, head_rows);
  } else {
    run_blocks(call, blocks, act, head_rows);
  }
  b.linear(head_rows.slice(0, 0, latent_tokens), stem("head.head.weight"), stem("head.head.bias"), Activation::kNone,
           act.out_rows.slice(0, rows_.begin, rows_.end));
  gather_head(act);
  if (call.probe != nullptr) call.probe->tensor("head", act.out_rows);
  if (!reuses && !call.residual.empty()) keep_residual(call, act);
  b.unpatchify(act.out_rows, velocity);
}

}  // namespace wan
