// From pictures of a face to its motion: sizes, weights and the forward pass. F32 throughout.
// Source: Wan-Video/Wan2.2 wan/modules/animate/motion_encoder.py (Generator.get_motion).
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "model/dit_config.h"
#include "model/probe.h"
#include "model/weights.h"

namespace wan {

inline constexpr int64_t kMotionBlurTaps = 4;  // a side of the kernel ahead of a level's halving convolutions

inline constexpr int64_t kMotionLinearSteps = 5;  // from a face's features to its codes, without activations between

/// Its stored tensors, each a slot of its own name.
WeightLayout motion_encoder_layout(const AnimateConfig& config);

/// The orthonormal factor of `directions` + 1e-8, host F32 [m, n], n <= m, with the signs of LAPACK's Householder
/// reflections. Source: motion_encoder.py, Direction (torch.linalg.qr).
Tensor orthonormal_directions(TensorView directions);

/// What a MotionEncoder keeps on the device, in bytes, where convolutions take no more than their values.
uint64_t motion_encoder_bytes(const AnimateConfig& config);

/// What it works in beside them, in bytes but for what aligns its parts.
uint64_t face_activation_bytes(const AnimateConfig& config);

class MotionEncoder {
 public:
  /// Reads the weights, scales them as the source does in each call, joins each blur with the convolution behind it,
  /// and multiplies out the linear steps between which there is no activation.
  MotionEncoder(Backend& backend, const AnimateConfig& config, const WeightSource& source);

  /// Of one face, pixels F32 [3, 1, side, side] in [-1, 1] on the device, into `row`, F32 [1, motion_dim]. Allocates
  /// nothing and does not wait for the device.
  void encode_face(TensorView pixels, TensorView row, Probe* probe = nullptr);
  /// Motion F32 [n, motion_dim] of such rows.
  Tensor motion(TensorView rows, Probe* probe = nullptr);
  /// The directions that it is made of, F32 [motion_dim, motion_codes].
  TensorView directions() const { return directions_; }

 private:
  /// A level: to half the side.
  struct Level {
    std::unique_ptr<ConvWeights> plain, halving, skip;
    TensorView plain_out, out;  // F32 [1, side, side, width]
  };
  void lay_out(Arena& arena);

  Backend& backend_;
  AnimateConfig config_;
  std::unique_ptr<ConvWeights> first_, last_;
  std::vector<Level> levels_;
  Tensor codes_weight_, codes_bias_;  // F32 [motion_codes, motion_dim], [motion_codes]
  Tensor directions_;
  Tensor block_;  // of what follows
  TensorView colours_, entered_;
};

}  // namespace wan
