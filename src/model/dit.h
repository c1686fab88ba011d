// The diffusion transformer of Wan2.2: configuration, weight layouts and the forward pass.
// Source: Wan-Video/Wan2.2 wan/modules/model.py (WanModel, WanAttentionBlock, Head).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/dit_config.h"
#include "model/dit_extension.h"
#include "model/dit_quantization.h"
#include "model/layers.h"
#include "model/probe.h"
#include "model/weights.h"

namespace wan {

class Communicator;

/// Weights outside the blocks. Matrices of the bulk work in `compute`; time embedding, head, norms and modulations in
/// F32.
WeightLayout dit_stem_layout(const DitConfig& config, DType compute);
WeightLayout dit_block_layout(const DitConfig& config, int block, DType compute);

/// Of a whole DiT, in the order they are loaded, with what speech adds.
std::vector<WeightLayout> dit_layouts(const DitConfig& config, DType compute);

/// What a prompt becomes once for all steps: embedded text [text_len, dim], and each block's cross-attention keys and
/// values.
struct TextContext {
  Tensor embedded;           // compute dtype [text_len, d]
  Tensor keys_values;        // compute dtype [layers, text_len, 2 d]
  std::vector<bool> filled;  // per block
};

/// Time embeddings of every timestep of a schedule, computed once. F32.
struct TimeTable {
  std::vector<double> timesteps;
  Tensor e;   // [n, d]
  Tensor e0;  // [n, 6 d]
};

/// Rows [begin, end) of a video's tokens.
struct RowRange {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
  bool operator==(const RowRange&) const = default;
};

/// Those of `rank` of `size`: as many whole sixteens for each, which attention takes together, and the last has what is
/// left. Empty where there are too few tokens.
RowRange rows_of_rank(int64_t tokens, int rank, int size);

class Dit {
 public:
  /// `stem` must outlive this object; it holds the layout of dit_stem_layout. What `quantization` names is computed in
  /// 8 bits (Backend::linear_int8, attention8): its weights are quantised where they are used, so that they may live in
  /// any way. Attention only of heads of 128.
  /// With `ranks`, which must outlive this, each of them has the rows of rows_of_rank and all weights, and they
  /// exchange heads before and after self-attention (Ulysses; Jacobs et al. 2023). Throws Error(kUsage) where the heads
  /// cannot be shared out evenly.
  Dit(Backend& backend, const DitConfig& config, DType compute, TensorView stem,
      const DitQuantization& quantization = {}, Communicator* ranks = nullptr);

  const DitConfig& config() const { return config_; }
  /// The tables of positions of this rank's rows, F32 [L, head_dim / 2].
  TensorView rope_cos() const { return rope_cos_; }
  TensorView rope_sin() const { return rope_sin_; }

  /// Whether the tables of positions have their values, or their places alone: to count memory, where a video too large
  /// for this machine must not take it.
  enum class Tables { kFilled, kUnfilled };
  /// Sets the size of the latents to come (computes the RoPE tables), and where an extension's tokens stand, which come
  /// behind the latent's. Throws Error(kUsage) when a side exceeds the table limit 1024, and when some rank would have
  /// no rows.
  void set_grid(const PatchGrid& grid, Tables tables = Tables::kFilled, std::span<const TokenPosition> behind = {});

  /// text: rows [n, text_dim] F32 on the host, n <= text_len; padded with zero rows before the embedding, as the source
  /// does.
  TextContext embed_text(TensorView text, Probe* probe = nullptr);

  /// timesteps as the model sees them (whole in the official schedules; 0 for the fixed first frame of image-to-video).
  TimeTable embed_times(std::span<const double> timesteps);

  /// Whether a forward goes through the blocks, or takes what they added to their input in an earlier one.
  enum class Blocks { kComputed, kReused };

  struct Call {
    TensorView latent;         // F32 [in_dim, T, H, W]
    int time_row = 0;          // row of the table for ordinary tokens
    int first_frame_row = -1;  // row for the tokens of frame 0, or for those behind the latent's; -1: as the others
    const TimeTable* times = nullptr;
    TextContext* text = nullptr;
    Probe* probe = nullptr;  // names follow the official modules
    /// [L, d] in the compute type: what the blocks add to their input, which kComputed leaves there and kReused takes.
    /// Empty: not wanted, and so with several ranks.
    TensorView residual{};
    Blocks blocks = Blocks::kComputed;
    bool is_whole = false;              // nothing in 8 bits, whatever the DiT was told
    DitExtension* extension = nullptr;  // whose tokens set_grid was told; only where blocks are computed
  };
  /// Velocity F32 [out_dim, T, H, W], whole on every rank; all ranks call this alike, without probe, extension and
  /// residual. All temporaries come from `arena`; nothing else is allocated.
  void forward(const Call& call, LayerSource& blocks, Arena& arena, TensorView velocity);

 private:
  struct Activations;
  Activations allocate_activations(const Call& call, Arena& arena);
  DitExtension::Rows rows_of(const Call& call, const Activations& act) const;
  void embed_patches(TensorView latent, TensorView patches, TensorView x);
  void run_blocks(const Call& call, LayerSource& blocks, Activations& act, const TensorView& head_rows);
  void keep_residual(const Call& call, Activations& act);
  void attend_with(int64_t heads, TensorView q, TensorView k, TensorView v, const DitQuantization& in_8_bits,
                   const Activations& act, TensorView out);
  void attend(TensorView qkv, const DitQuantization& in_8_bits, const Activations& act);
  void gather_head(const Activations& act);
  RowRange rows_of_rank(int rank) const;
  class Products;
  void run_block(int index, TensorView slab, const Call& call, Activations& act, const TensorView& modulation);
  void prepare_modulation(const Call& call, Activations& act);
  void fill_tables(std::span<const TokenPosition> behind);
  TensorView stem(const char* name) const { return stem_layout_.view(stem_, name); }

  Backend& backend_;
  DitConfig config_;
  DType compute_;
  DitQuantization quantization_;
  WeightLayout stem_layout_;
  WeightLayout block_layout_;
  TensorView stem_;
  Communicator* ranks_;  // that share the tokens; nullptr: one rank has all
  PatchGrid grid_{};
  RowRange rows_;               // this rank's of the latent's tokens
  int64_t length_ = 0;          // L: these, and tokens behind the latent's
  Tensor rope_cos_, rope_sin_;  // F32 [L, head_dim / 2]
  Tensor first_frame_index_;    // I32 [L]: 0 on frame 0, or where there are tokens behind the latent's on those; else 1
};

}  // namespace wan
