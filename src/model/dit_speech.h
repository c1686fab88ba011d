// What speech adds to a DiT: tokens of a reference picture and of the frames before a clip, a pose added to the clip's
// own tokens, and the clip's audio, injected behind some blocks.
// Source: Wan-Video/Wan2.2 wan/modules/s2v (model_s2v.py, motioner.py, audio_utils.py, auxi_blocks.py, s2v_utils.py).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "model/dit.h"
#include "model/layers.h"
#include "model/probe.h"
#include "model/weights.h"

namespace wan {

/// Weights outside the injectors. The audio encoder, masks and the biases that masks are added to in F32, the others in
/// `compute`.
WeightLayout speech_stem_layout(const DitConfig& config, DType compute);
/// What is injected behind the block of place `place` in SpeechConfig::after_block. All are of one size.
WeightLayout speech_injector_layout(const DitConfig& config, int64_t place, DType compute);

/// Frames before a clip that its first frames continue: pixels, and the latent frames that these become.
inline constexpr int64_t kMotionFrames = 73, kMotionLatents = 19;

/// Latent frames before a clip that become tokens together: the older, the coarser.
struct MotionGroup {
  std::string_view name;  // of its convolution
  Patch patch;
  int64_t first, frames;  // among kMotionLatents
};
/// In the order of their tokens. `patch` is that of the clip's own.
std::array<MotionGroup, 3> motion_groups(const Patch& patch);

/// A clip's audio as the injectors take it, and what they make of it once for all steps.
struct SpeechContext {
  Tensor local;              // compute dtype [T * (audio_tokens + 1), d]
  Tensor global;             // compute dtype [T, d], activated
  Tensor modulation;         // F32 [injected, T, 2 d]: shift, then scale
  Tensor keys_values;        // compute dtype [injected, T * (audio_tokens + 1), 2 d]
  std::vector<bool> filled;  // per injector
};

/// Where the tokens stand behind those of a clip of this grid: of the reference, then where there is motion those of
/// the last latent frame before the clip, of the two before it, and of the 16 before those.
std::vector<TokenPosition> speech_positions(const PatchGrid& grid, bool has_motion);

class DitSpeech {
 public:
  /// `dit_stem` holds dit_stem_layout, `stem` speech_stem_layout; both must outlive this.
  DitSpeech(Backend& backend, const DitConfig& config, DType compute, TensorView dit_stem, TensorView stem);

  /// What a clip is made from, F32 on the device.
  struct Clip {
    TensorView reference;  // [z, 1, H, W]
    TensorView motion;     // [z, kMotionLatents, H, W]; empty: the clip continues nothing
    TensorView pose;       // [z, T, H, W], zero where there is none; must outlive the clip
  };
  /// Makes the tokens behind the clip's own.
  void begin_clip(const Clip& clip, Probe* probe = nullptr);
  /// Of the clip's hidden states at its frame rate, host F32 [audio_layers, audio_dim, frames], frames = 4 T.
  SpeechContext embed_audio(TensorView audio, Probe* probe = nullptr);

  /// The extension of a DiT's call for one branch of guidance. Refers to all that it is given.
  class Branch final : public DitExtension {
   public:
    Branch(DitSpeech& speech, SpeechContext& audio, LayerSource& injectors)
        : speech_(speech), audio_(audio), injectors_(injectors) {}
    int64_t tokens() const override { return speech_.behind_->shape[0]; }
    void add_to_tokens(const Rows& rows) override { speech_.add_to_tokens(rows); }
    void attend(int, TensorView, TensorView, const Rows&) override {}
    bool changes_after(int block) const override { return speech_.config_.speech.place_of(block) >= 0; }
    void after_block(int block, const Rows& rows) override;

   private:
    DitSpeech& speech_;
    SpeechContext& audio_;
    LayerSource& injectors_;
  };

 private:
  void add_to_tokens(const DitExtension::Rows& rows);
  /// Where an embedding's weights are, and what is added to its tokens.
  struct Embedding {
    TensorView weight, bias, mask;
    Patch patch;
  };
  void embed(TensorView latent, const Embedding& by, TensorView rows, const std::string& name, Probe* probe);
  Tensor weighted_layers(TensorView audio);
  TensorView stem(const std::string& name) const { return layout_.view(stem_, name); }
  TensorView mask(int64_t row) const { return stem("trainable_cond_mask.weight").at(row); }
  Tensor as_compute(TensorView f32);

  Backend& backend_;
  DitConfig config_;
  DType compute_;
  WeightLayout dit_layout_, layout_, injector_layout_;
  TensorView dit_stem_, stem_;
  Tensor pose_bias_;    // compute dtype [d]: of the pose's convolution, with the mask of the clip's own tokens
  Tensor patch_bias_;   // F32 [d]
  Tensor behind_;       // F32 [E, d]
  Tensor frame_index_;  // I32 [N]: each token's latent frame
  TensorView pose_;
};

}  // namespace wan
