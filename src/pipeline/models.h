// The loaded models of an engine: weights where the plan wants them, networks over them. Private to pipeline/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/tokenizer.h"
#include "pipeline/latent_colours.h"
#include "pipeline/layer_store.h"
#include "pipeline/plan.h"

namespace wan {

/// One DiT: its stem and blocks in stores of their own, and what it makes of the prompts.
struct LoadedExpert {
  bool started = false;
  std::unique_ptr<WeightSource> source;
  std::unique_ptr<LayerStore> stem;
  std::unique_ptr<LayerStore> blocks;
  std::unique_ptr<LayerStore> extension_stem, extension_layers;  // of a DiT that has a DitExtension
  std::unique_ptr<Dit> dit;
  TextContext positive, negative;
  TimeTable times;

  /// Those whose layers a forward pass goes through, and that may be streamed. Of an expert that is made.
  std::vector<LayerStore*> layer_stores() const;
};

struct Models {
  std::string key;  // what these models can serve without loading anything
  ModelSet set;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Backend> text_backend;  // only when it differs
  MemoryPlan memory;
  std::vector<LoadedExpert> experts;  // of the variant's, in their order
  std::optional<WeightSource> text_source, vae_source;
  std::optional<Tokenizer> tokenizer;  // only of an engine that keeps prompts
  std::unique_ptr<Vae> vae;
  std::optional<LatentColours> colours;  // of the VAE, once somebody took previews

  Backend& text_device() { return text_backend ? *text_backend : *backend; }
  ~Models();
  /// Before the first call from another thread than that of the request before.
  void bind_thread();

  /// Prepares the stores of every expert; nothing is read yet.
  void make_experts(const Plan& plan);
  std::unique_ptr<LayerStore> make_text_store(const Plan& plan);
  /// Of an encoder: what is outside its layers, and the layers, passed through once. `source` outlives them.
  struct EncoderStores {
    std::unique_ptr<LayerStore> stem, layers;
  };
  EncoderStores make_audio_stores(const WeightSource& source);
  EncoderStores make_image_stores(const WeightSource& source);
  void load_vae(const Plan& plan);
  /// Begins to load an expert's weights, unless that was done before.
  void start_expert(size_t index);
  /// What the experts made of the prompts of the request before.
  void forget_prompts();

 private:
  EncoderStores make_encoder_stores(WeightLayout stem, std::vector<WeightLayout> layers, const WeightSource& source,
                                    const std::string& encoder);
};

/// Equal for two requests that can use the same loaded models.
std::string models_key(const Request& request, const Plan& plan, const MemoryPlan& memory);

}  // namespace wan
