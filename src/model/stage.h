// The stages of a run, by which the engine tells what it does and a model's row says what it takes.
#pragma once

namespace wan {

/// In order. Their leaves tile Total_Execution: each ends where the next begins.
enum class Stage {
  kModelInitialization,  // start of the process (or of the engine) until text encoding can start
  kPreprocess,           // sizes, noise, image reading; named after the model: TI2V_Preprocess
  kTextEncoding,         // T5_Encoding: prompt text in hand -> both embeddings on the device
  kVaeEncoding,          // image-to-video only
  kStepLoading,          // Step_i_Loading: exposed wait for the weights of step i
  kStepInference,        // Step_i_Inference: first kernel -> sampler update done
  kVaeDecoding,          // latents final -> frames in host memory; the wait for VAE weights belongs here
  kOutputEncoding,       // frames ready -> file closed; only what decoding did not hide
};

}  // namespace wan
