// VAE_Encoding: what an image, or a first and a last one, adds to denoising. Private to pipeline/.
#pragma once

#include <optional>

#include "pipeline/clip_source.h"
#include "pipeline/stage_context.h"

namespace wan {

/// Empty for text-to-video.
struct Conditioning {
  Tensor first_frame;  // latent [z, 1, H, W] re-imposed after each step (TI2V image-to-video)
  Tensor model_input;  // [in_dim, T, H, W] when conditioning channels are appended: the latent goes in front of them
  ClipSource* clips = nullptr;  // of a model of clips

  /// Puts the first frame where it belongs in the latent `x`.
  void impose_first_frame(Backend& device, const Tensor& x) const;
};

/// A VAE's encoder, loaded for several videos of one model.
class PixelEncoder {
 public:
  /// The context's models and ranks must outlive this.
  PixelEncoder(const StageContext& context, DType compute);
  /// F32 pixels [3, frames, H, W] in [-1, 1] to their latent. Waits for the device. Called by every rank alike.
  void encode(TensorView pixels, TensorView latent);

 private:
  void encode_columns(TensorView pixels, TensorView latent);

  Backend& device_;
  const ModelSet& set_;
  DType compute_;
  RankGroups* ranks_;
  std::optional<Vae> vae_;  // none on a rank that has no columns
};

/// F32 pixels [3, frames, H, W] in [-1, 1] to their latent, with an encoder that is loaded for it. Waits for the
/// device.
void encode_pixels(const StageContext& context, TensorView pixels, TensorView latent);

/// Encodes the plan's images. `x` is the noise, whose first frame gives way where the image is the first frame.
Conditioning encode_image(const StageContext& context, const Tensor& x);

}  // namespace wan
