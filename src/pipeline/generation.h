// One request on its way through the stages. Private to pipeline/.
#pragma once

#include <memory>

#include "base/error.h"
#include "pipeline/dump.h"
#include "pipeline/frame_sink.h"
#include "pipeline/models.h"
#include "pipeline/stage_clock.h"
#include "sampler/sampler.h"

namespace wan {

class Engine::Generation {
 public:
  Generation(const Request& request, Observer& observer, std::unique_ptr<Models>& models, int64_t start_ns);
  ~Generation();
  Outcome run();

 private:
  void load();          // Model_Initialization
  void preprocess();    // noise, sizes
  void encode_text();   // T5_Encoding
  void encode_image();  // VAE_Encoding
  void denoise();
  void decode();     // VAE_Decoding
  Outcome finish();  // Output_Encoding

  Outcome run_stages();
  void run_stage(Stage stage);
  OutOfMemory explained(const OutOfMemory& problem) const;

  void reuse_or_make_models();
  std::vector<std::vector<int32_t>> tokenize() const;
  void embed_prompts(LoadedExpert& expert);
  void start_expert(size_t index);
  void report_fills();
  void denoise_step(int step, Sampler& sampler);
  TensorView call_dit(LoadedExpert& expert, int step, TextContext& text, TensorView velocity, int call);
  void append_condition(TensorView latent);
  void impose_first_frame();
  void load_vae();
  void report_memory(Stage stage, int index);
  Tensor conditioning_pixels() const;
  void check_interrupt() const;
  Backend& device() { return *models_->backend; }

  const Request& request_;
  Observer& observer_;
  std::unique_ptr<Models>& models_;
  int64_t start_ns_;
  ModelSet set_;  // until it moves into models_
  Plan plan_;
  std::unique_ptr<StageClock> clock_;
  std::unique_ptr<LayerStore> text_store_;
  std::unique_ptr<FrameSink> sink_;
  std::unique_ptr<Dump> dump_;
  std::vector<Tensor> text_rows_;  // host F32, positive then negative
  Tensor x_;                       // latent F32 [z, T, H, W]
  Tensor model_input_;             // [in_dim, T, H, W] when conditioning channels are appended
  Tensor first_frame_;  // latent [z, 1, H, W] re-imposed after each step where the variant's first frame is latent
  Tensor velocity_positive_, velocity_negative_;
  Tensor arena_block_;
  Arena arena_;
};

}  // namespace wan
