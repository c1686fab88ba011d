// The encoder of a clip's sound or faces, frame by frame, into tokens of its latent frames: convolutions over time that
// see no later frame. Source: Wan-Video/Wan2.2 wan/modules/s2v/auxi_blocks.py (MotionEncoder_tc), wan/modules/animate/
// face_blocks.py (FaceEncoder), which are one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace wan {

/// A vector as `rows` equal rows.
TensorView repeated(const TensorView& row, int64_t rows);

class CausalEncoder {
 public:
  /// `weight` gives NAME.weight, F32 [O, 3 C] with the three taps of a channel side by side, and NAME.bias, of
  /// conv1_local, conv2 and conv3.
  using Weight = std::function<TensorView(const std::string& name)>;
  CausalEncoder(Backend& backend, float eps, Weight weight)
      : backend_(backend), eps_(eps), weight_(std::move(weight)) {}

  /// The first convolution `name` over the rows of x, F32 [F, C]: [F, O].
  Tensor first(TensorView x, const char* name) const { return convolve(x, name, 1); }
  /// What else is done to its rows, or to a part of their columns: a quarter as many rows, rounded up.
  Tensor rest(TensorView x) const;
  /// Of x the rows of each of `tokens` tokens of a latent frame: `first` by conv1_local, then `rest` of each part.
  std::vector<Tensor> tokens(TensorView x, int64_t tokens) const;

 private:
  Tensor convolve(TensorView x, const std::string& name, int64_t stride) const;
  void normalise_and_activate(TensorView x, TensorView y) const;

  Backend& backend_;
  float eps_;
  Weight weight_;
};

}  // namespace wan
