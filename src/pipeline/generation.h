// One request on its way through the stages. Private to pipeline/.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "pipeline/decode_stage.h"
#include "pipeline/denoise_stage.h"
#include "pipeline/engine.h"
#include "pipeline/expectation.h"
#include "pipeline/image_stage.h"
#include "pipeline/text_stage.h"
#include "pipeline/video_metadata.h"

namespace wan {

class Generation {
 public:
  /// `models` are those of the request before, or empty; they become what this request needs.
  /// `all`: the video's ranks, of which this makes one's part; nullptr: there is one. Rank 0 encodes the prompts
  /// and has the outputs; what the others are given besides `request` and `call.stop` is not looked at.
  Generation(const Request& request, const CallOptions& call, std::unique_ptr<Models>& models, PromptCache& prompts,
             Communicator* all = nullptr);
  ~Generation();
  /// Of another rank than 0 there is nothing to say: empty.
  Outcome run();
  /// Opens what the request needs, loads nothing, and says what the rest will take. `models` are ready for `run` of the
  /// same request by another Generation.
  Expectation expect();

 private:
  void load();  // Model_Initialization
  void encode_text();
  void share_text_rows();
  void share_vae_pieces();
  bool is_first_rank() const { return all_ == nullptr || all_->rank() == 0; }
  void begin_clip(int clip);
  void preprocess();  // noise, sizes
  void decode();      // VAE_Decoding
  Outcome finish();   // Output_Encoding
  std::string metadata(const std::string& frames_sha256) const;

  Outcome run_stages();
  OutOfMemory explained(const OutOfMemory& problem) const;
  void reuse_or_make_models(ModelSet set);
  StageContext stages();

  const Request& request_;
  const CallOptions& call_;
  NullObserver nobody_;
  Observer& observer_;
  std::unique_ptr<Models>& models_;
  PromptCache& prompts_;
  Communicator* all_;
  std::optional<RankGroups> ranks_;
  Plan plan_;
  std::optional<InputFile> image_, last_image_, initial_latent_, audio_, pose_video_;  // as they were read
  std::optional<InputFile> animate_inputs_;
  std::unique_ptr<StageClock> clock_;
  std::unique_ptr<FrameSink> sink_;
  std::unique_ptr<Dump> dump_;
  std::unique_ptr<Replay> replay_;
  // What one stage leaves for the next; freed after ~Generation has seen the device idle.
  std::unique_ptr<TextStage> text_;
  std::vector<Tensor> text_rows_;  // host F32, positive, then negative where a step uses it
  int clip_ = -1;                  // that is being made, of a model of clips
  Tensor x_;                       // its latent F32 [z, T, H, W]
  Conditioning conditioning_;
  std::unique_ptr<ClipSource> clips_;  // of a model of clips
  std::optional<DenoiseStage> denoise_;
  std::optional<DecodeStage> decode_;
  Forwards forwards_;
  MagnitudeRatios ratios_;
};

}  // namespace wan
