// What a driving video adds to a DiT: its pose, added to the tokens of all latent frames but the first, the
// reference's; the reference picture's own tokens, attended to beside the text; and the motion of its face, behind
// every fifth block. Source: Wan-Video/Wan2.2 wan/modules/animate (model_animate.py, face_blocks.py).
#pragma once

#include <string>
#include <vector>

#include "backend/backend.h"
#include "model/dit.h"
#include "model/layers.h"
#include "model/probe.h"
#include "model/weights.h"

namespace wan {

/// Weights outside the blocks and the fuser blocks, but for the motion encoder's (motion_encoder.h). The pose's matrix
/// in `compute`, all others in F32.
WeightLayout animate_stem_layout(const DitConfig& config, DType compute);
/// What the face goes in by behind the block of place `place`. All are of one size.
WeightLayout face_fuser_layout(const DitConfig& config, int64_t place, DType compute);

/// The reference picture as every block's tokens attend to it: as the text is.
using ImageContext = TextContext;

/// A clip's faces as the fuser blocks take them, and what they make of them once for all steps. Frame 0 is the
/// reference's, which has zeros.
struct FaceContext {
  Tensor tokens;             // compute dtype [(T + 1) * (face_tokens + 1), d], normed
  Tensor keys, values;       // compute dtype [face_blocks, (T + 1) * (face_tokens + 1), d]
  std::vector<bool> filled;  // per fuser block
};

class DitAnimate {
 public:
  /// `stem` holds animate_stem_layout and must outlive this.
  DitAnimate(Backend& backend, const DitConfig& config, DType compute, TensorView stem);

  /// Of the image encoder's tokens, F32 on the device [n, image_dim].
  ImageContext embed_image(TensorView tokens, Probe* probe = nullptr);
  /// Of the motion of a clip's frames, F32 on the device [frames, motion_dim].
  FaceContext embed_faces(TensorView motion, Probe* probe = nullptr);

  /// What a call is made from. `pose`: F32 [z, T, H, W] on the device.
  struct Parts {
    ImageContext& image;
    FaceContext& faces;
    TensorView pose;
    LayerSource& fusers;
  };
  /// The extension of a DiT's call for one branch of guidance. Refers to all that it is given.
  class Branch final : public DitExtension {
   public:
    Branch(DitAnimate& animate, const Parts& parts) : animate_(animate), parts_(parts) {}
    int64_t tokens() const override { return 0; }
    void add_to_tokens(const Rows& rows) override;
    void attend(int block, TensorView slab, TensorView q, const Rows& rows) override;
    bool changes_after(int block) const override { return animate_.config_.animate.place_of(block) >= 0; }
    void after_block(int block, const Rows& rows) override;

   private:
    DitAnimate& animate_;
    Parts parts_;
  };

 private:
  void linear(TensorView x, const std::string& name, Activation activation, TensorView y);
  TensorView stem(const std::string& name) const { return layout_.view(stem_, name); }
  float scale() const;

  Backend& backend_;
  DitConfig config_;
  DType compute_;
  WeightLayout layout_, block_layout_, fuser_layout_;
  TensorView stem_;
};

}  // namespace wan
