// What a model that makes its video in clips is conditioned by, and what a clip leaves for the next. Private to
// pipeline/.
#pragma once

#include <memory>
#include <vector>

#include "model/dit_extension.h"
#include "pipeline/decode_task.h"
#include "pipeline/stage_context.h"

namespace wan {

class ClipSource {
 public:
  virtual ~ClipSource() = default;
  /// What all clips share, behind the text: encodes the request's files. Stages of its own, of no clip.
  virtual void begin_video(const StageContext& context) = 0;
  /// What this clip, `context.clip`, is made from. A stage of its own.
  virtual void begin_clip(const StageContext& context) = 0;
  /// Where the tokens of this clip stand behind the latent's.
  virtual std::vector<TokenPosition> positions() const = 0;
  /// What `expert`, whose stems are there, makes of the clip once for all its steps.
  virtual void embed(const StageContext& context, LoadedExpert& expert) = 0;
  /// Of the DiT's call 0 with the positive prompt, 1 with the negative one.
  virtual DitExtension& extension(int call) = 0;
  /// Where the DiT's input is more than the latent: all of it, F32 [in_dim, T, H, W], the latent in front; else empty.
  virtual TensorView model_input() const { return {}; }
  /// What a call has beside the prompt, for a dump.
  virtual void dump_call(const StageContext& context, int call) const = 0;
  /// What is decoded of the clip whose denoised latent is `x`; good until `end_clip`.
  virtual DecodeTask decoding(const StageContext& context, const Tensor& x) = 0;
  /// After decoding.
  virtual void end_clip(const StageContext& context) = 0;
};

/// Of models that a driving video moves.
std::unique_ptr<ClipSource> make_animate_clips();

/// Of the plan's model; nullptr of one that makes its video in one piece.
std::unique_ptr<ClipSource> make_clip_source(const Plan& plan);

}  // namespace wan
