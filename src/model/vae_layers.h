// The VAE's building blocks: causal convolution with history, residual block, per-frame attention, resampling and
// parameter-free shortcuts. Private to model/. Activations are channels-last [T, H, W, C].
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "comm/communicator.h"
#include "model/vae_structure.h"
#include "model/weights.h"

namespace wan::vae {

/// What building a network needs: where weights come from and where they go.
struct Builder {
  Backend& backend;
  const WeightSource& source;
  const std::vector<WeightPart>& parts;
  DType compute;
  uint64_t device_bytes = 0;

  const WeightPart* find(const std::string& name) const;
  /// Throws Error naming the tensor when the network has none of that name.
  const WeightPart& at(const std::string& name) const;
  /// The stored values as a host tensor of F32, in row-major order.
  Tensor read(const std::string& name) const;
  /// A vector of F32 on the device.
  Tensor vector(const std::string& name);
  std::unique_ptr<ConvWeights> conv(const std::string& name, ConvKind kind = ConvKind::kPlain);
  /// Rows [begin, end) of the output channels of a convolution.
  std::unique_ptr<ConvWeights> conv_rows(const std::string& name, int64_t begin, int64_t end);
};

/// A buffer of each size, that layers pass on: one fills it with its next frames, keeps it as its history and leaves in
/// its place the frames that are history no longer. So no history is copied.
class Spares {
 public:
  /// Which buffer of `bytes` is spare now; taken from `memory` by the first call for a size. The reference holds until
  /// `clear`.
  void*& of(Arena& memory, int64_t bytes);
  void clear() { spares_.clear(); }

 private:
  std::map<int64_t, void*> spares_;  // by bytes
};

/// The columns of every frame that this rank has, where ranks share a video's: they stand in the ranks' order.
struct Columns {
  Communicator* ranks = nullptr;  // null: this rank has all
  int64_t latent = 0;             // of the whole latent

  bool are_shared() const { return ranks != nullptr && ranks->size() > 1; }
  bool has_previous() const { return are_shared() && ranks->rank() > 0; }
  bool has_next() const { return are_shared() && ranks->rank() + 1 < ranks->size(); }
  /// Of a view whose axis has `scale` columns for each of the whole latent's: those of `rank`.
  TensorView of(int rank, TensorView x, int axis, int64_t scale = 1) const;
  TensorView own(TensorView x, int axis, int64_t scale = 1) const;
};

/// Which neighbouring columns a convolution reads besides its own.
enum class Reach {
  kBoth,  // one before and one behind
  kNext,  // one behind
};

/// The shape of x with the columns within reach that other ranks have.
Shape widened(const Columns& columns, Reach reach, TensorView x);
/// x [T, H, w, C] and the columns within reach that other ranks have, in `to`, of that shape. All ranks call it alike.
void widen(Backend& backend, const Columns& columns, Reach reach, TensorView x, TensorView to);

/// What a layer is told at the beginning of a video.
struct Beginning {
  Arena& memory;  // of zeros, until the histories end
  DType dtype;
  Spares* spares;  // of all layers of the network, in the same memory; null: frames are copied
  Columns columns;
  int64_t height, width;  // width: of this rank's columns
  int64_t frames;         // that are usual at a time; others are as right
};

/// The last frames a layer has seen, kept between chunks. Zeros before the first.
class History {
 public:
  /// `count` frames of `channels`. Frames are passed on where one is usual at a time, or as many as the history has.
  void begin(const Beginning& beginning, int64_t count, int64_t channels);
  void end();
  /// The frames [H, W, C], oldest first.
  const std::vector<TensorView>& frames() const { return frames_; }
  /// A buffer for this many frames that `remember` takes without a copy; empty where there is none.
  TensorView spare(int64_t frames) const;
  /// The last frames of what was there and `seen` become the history.
  void remember(Backend& backend, TensorView seen);

 private:
  void set_frames();
  TensorView piece_;           // [n, H, W, C]: frames that lie together; its address means nothing
  std::vector<void*> pieces_;  // oldest first
  std::vector<TensorView> frames_;
  void** spare_ = nullptr;  // null: frames are copied
};

/// y = conv(history, activation(norm(x))), spatially padded to keep the size: every 3x3x3 convolution of the network.
/// Where ranks share the columns the history has those beside this rank's too, so that none is asked for again.
class CausalConv {
 public:
  CausalConv(Builder& builder, const std::string& name);
  void begin(const Beginning& beginning);
  void end() { history_.end(); }
  /// Where to make an input of x's shape and dtype: what `forward` keeps without a copy, or the arena's.
  TensorView input_like(TensorView x, Arena& arena) const;
  int64_t out_channels() const { return weights_->out_channels; }
  int64_t in_channels() const { return weights_->in_channels; }
  /// Without norm: the input is x itself (gamma empty).
  void forward(Backend& backend, Arena& arena, TensorView x, TensorView gamma, TensorView residual, TensorView y);

 private:
  TensorView make_input(Backend& backend, Arena& arena, TensorView x, TensorView gamma) const;

  std::unique_ptr<ConvWeights> weights_;
  History history_;
  Columns columns_;
};

class ResidualBlock {
 public:
  ResidualBlock(Builder& builder, const std::string& prefix);
  void begin(const Beginning& beginning);
  void end();
  int64_t out_channels() const { return second_.out_channels(); }
  /// y may alias x when the channels stay.
  void forward(Backend& backend, Arena& arena, TensorView x, TensorView y);

 private:
  Tensor gamma_first_, gamma_second_;
  CausalConv first_, second_;
  std::unique_ptr<ConvWeights> shortcut_;
};

/// Single-head self-attention over the positions of each frame, with residual; in place. Where ranks share the columns
/// each has the queries of its own, and all keys and values: less work than all queries on every rank, and the keys are
/// the bytes of a few latent frames.
class FrameAttention {
 public:
  FrameAttention(Builder& builder, const std::string& prefix);
  void begin(const Beginning& beginning) { columns_ = beginning.columns; }
  void forward(Backend& backend, Arena& arena, TensorView x);

 private:
  TensorView gather_keys(Arena& arena, TensorView qkv) const;

  Tensor gamma_;
  std::unique_ptr<ConvWeights> qkv_, projection_;
  Columns columns_;
};

class Middle {
 public:
  Middle(Builder& builder, const std::string& prefix);
  void begin(const Beginning& beginning);
  void end();
  void forward(Backend& backend, Arena& arena, TensorView x);  // in place

 private:
  ResidualBlock first_;
  FrameAttention attention_;
  ResidualBlock last_;
};

/// Temporal (optional) then spatial doubling.
class Upsample {
 public:
  Upsample(Builder& builder, const std::string& prefix);
  void begin(const Beginning& beginning, int64_t channels);
  void end() { history_.end(); }
  bool temporal() const { return earlier_ != nullptr; }
  int64_t out_channels() const { return spatial_->out_channels; }
  int64_t frames_of(int64_t frames, bool first) const {
    return temporal() ? kResample * frames - (first ? 1 : 0) : frames;
  }
  /// `shortcut`, where its x is not empty, is added to y.
  void forward(Backend& backend, Arena& arena, TensorView x, bool first, const DupUp& shortcut, TensorView y);

 private:
  void enlarge(Backend& backend, Arena& arena, TensorView x, const DupUp& shortcut, TensorView y);

  std::unique_ptr<ConvWeights> earlier_, later_;  // the halves of the time convolution's channels
  std::unique_ptr<ConvWeights> spatial_;
  History history_;
  Columns columns_;
};

/// Spatial then (optional) temporal halving.
class Downsample {
 public:
  Downsample(Builder& builder, const std::string& prefix);
  void begin(const Beginning& beginning);
  void end() { history_.end(); }
  bool temporal() const { return time_ != nullptr; }
  int64_t out_channels() const { return spatial_->out_channels; }
  int64_t frames_of(int64_t frames, bool first) const {
    return temporal() ? (frames + (first ? 1 : 0)) / kResample : frames;
  }
  void forward(Backend& backend, Arena& arena, TensorView x, bool first, TensorView y);

 private:
  void halve(Backend& backend, Arena& arena, TensorView x, TensorView y);

  std::unique_ptr<ConvWeights> spatial_, time_;
  History history_;
  Columns columns_;
};

/// Shape of a channels-last activation with other channels or frames.
inline Shape like(const TensorView& x, int64_t frames, int64_t channels) {
  return {frames, x.shape[1], x.shape[2], channels};
}

}  // namespace wan::vae
