// What a model of the family adds to the plain forward pass of a DiT: tokens behind those of the latent, and changes to
// tokens behind some blocks.
#pragma once

#include "model/probe.h"
#include "tensor/tensor.h"

namespace wan {

/// Where a token stands for the rotation: latent frame, row and column of patches. Frames may lie before the latent's.
struct TokenPosition {
  int64_t frame = 0, row = 0, column = 0;
  bool operator==(const TokenPosition&) const = default;
};

class DitExtension {
 public:
  /// A forward pass's memory for N tokens of the latent and E behind them, L = N + E. Only x holds what is needed on.
  struct Rows {
    TensorView x;               // residual F32 [L, d]
    TensorView n, y;            // compute dtype [L, d], free to use
    TensorView wide;            // compute dtype [L, at least 3 d], free to use
    int64_t latent_tokens = 0;  // N
    Probe* probe = nullptr;     // names follow the official modules
  };
  virtual ~DitExtension() = default;
  /// E.
  virtual int64_t tokens() const = 0;
  /// Adds to the latent's embedded tokens in `x` and writes those behind them.
  virtual void add_to_tokens(const Rows& rows) = 0;
  /// Adds to `rows.n`, what block `block`'s tokens attended to of the text, what they attend to beside it. `q` are
  /// their normed queries, compute dtype [L, d], and `slab` the block's weights; `rows.y` is free to use.
  virtual void attend(int block, TensorView slab, TensorView q, const Rows& rows) = 0;
  /// Whether `after_block` does anything.
  virtual bool changes_after(int block) const = 0;
  /// Changes `x` behind block `block`. Blocks come in order, pass after pass.
  virtual void after_block(int block, const Rows& rows) = 0;
};

}  // namespace wan
