#include "pipeline/models.h"

#include <fmt/format.h>

#include "model/layout_extension.h"
#include "pipeline/request_words.h"

namespace wan {
namespace {

std::unique_ptr<LayerStore> single(Backend& backend, WeightLayout layout, const WeightSource& source,
                                   const std::string& component) {
  std::vector<WeightLayout> layouts;
  layouts.push_back(std::move(layout));
  return std::make_unique<LayerStore>(backend, std::move(layouts), source,
                                      LayerStoreOptions{Residency::kResident, 2, 0, component});
}

}  // namespace

std::vector<LayerStore*> LoadedExpert::layer_stores() const {
  std::vector<LayerStore*> stores{blocks.get()};
  if (extension_layers) stores.push_back(extension_layers.get());
  return stores;
}

Models::~Models() {
  // Networks go before the memory they use, everything before its backend.
  vae.reset();
  for (LoadedExpert& expert : experts) {
    expert.dit.reset();
    expert.extension_layers.reset();
    expert.extension_stem.reset();
    expert.blocks.reset();
    expert.stem.reset();
  }
}

void Models::bind_thread() {
  if (backend) backend->bind_thread();
  if (text_backend) text_backend->bind_thread();
}

void Models::make_experts(const Plan& plan) {
  experts.resize(set.expert_count());
  for (size_t i = 0; i < experts.size(); ++i) {
    LoadedExpert& expert = experts[i];
    expert.source = std::make_unique<WeightSource>(set.dit_source(i));
    expert.stem = single(*backend, dit_stem_layout(set.dit, plan.compute), *expert.source, "DiT stem");
    std::vector<WeightLayout> layouts;
    for (int64_t block = 0; block < set.dit.num_layers; ++block)
      layouts.push_back(dit_block_layout(set.dit, static_cast<int>(block), plan.compute));
    expert.blocks = std::make_unique<LayerStore>(*backend, std::move(layouts), *expert.source,
                                                 LayerStoreOptions{memory.dit_residency, 3, 0, "DiT"});
    std::optional<WeightLayout> stem = extension_stem_layout(set.dit, plan.compute);
    if (!stem) continue;
    expert.extension_stem = single(*backend, std::move(*stem), *expert.source, "DiT extension's stem");
    expert.extension_layers =
        std::make_unique<LayerStore>(*backend, extension_layer_layouts(set.dit, plan.compute), *expert.source,
                                     LayerStoreOptions{memory.dit_residency, 3, 0, "DiT's extension"});
  }
  text_source =
      set.checkpoint ? WeightSource::from_file(set.checkpoint->text_encoder) : random_weights(Component::kTextEncoder);
  vae_source = set.checkpoint ? WeightSource::from_file(set.checkpoint->vae_file) : random_weights(Component::kVae);
}

std::unique_ptr<LayerStore> Models::make_text_store(const Plan& plan) {
  std::vector<WeightLayout> layouts;
  const DType compute = plan.text_encoder_device == "cpu" && plan.device != "cpu" ? DType::kBF16 : plan.compute;
  for (int64_t layer = 0; layer < set.text.num_layers; ++layer)
    layouts.push_back(text_encoder_layer_layout(set.text, static_cast<int>(layer), compute));
  return std::make_unique<LayerStore>(text_device(), std::move(layouts), *text_source,
                                      LayerStoreOptions{Residency::kOnce, 3, 0, "text encoder"});
}

Models::EncoderStores Models::make_encoder_stores(WeightLayout stem, std::vector<WeightLayout> layers,
                                                  const WeightSource& source, const std::string& encoder) {
  EncoderStores stores{single(*backend, std::move(stem), source, encoder + "'s stem"),
                       std::make_unique<LayerStore>(*backend, std::move(layers), source,
                                                    LayerStoreOptions{Residency::kOnce, 3, 0, encoder})};
  stores.stem->start();
  stores.layers->start();
  return stores;
}

Models::EncoderStores Models::make_audio_stores(const WeightSource& source) {
  std::vector<WeightLayout> layers;
  for (int64_t layer = 0; layer < set.audio.num_layers; ++layer) layers.push_back(audio_layer_layout(set.audio, layer));
  return make_encoder_stores(audio_stem_layout(set.audio), std::move(layers), source, "audio encoder");
}

Models::EncoderStores Models::make_image_stores(const WeightSource& source) {
  std::vector<WeightLayout> layers;
  for (int64_t layer = 0; layer < set.image.num_layers; ++layer) layers.push_back(image_layer_layout(set.image, layer));
  return make_encoder_stores(image_stem_layout(set.image), std::move(layers), source, "image encoder");
}

void Models::load_vae(const Plan& plan) {
  if (vae) return;
  vae = std::make_unique<Vae>(*backend, set.vae, *vae_source, set.vae_file(), plan.vae_compute, Vae::Parts::kDecoder);
}

void Models::start_expert(size_t index) {
  LoadedExpert& expert = experts[index];
  if (expert.started) return;  // a warm engine has it already
  expert.started = true;
  expert.stem->start();
  expert.blocks->start();
  if (expert.extension_stem) expert.extension_stem->start();
  if (expert.extension_layers) expert.extension_layers->start();
}

void Models::forget_prompts() {
  for (LoadedExpert& expert : experts) {
    expert.positive = {};
    expert.negative = {};
  }
}

std::string models_key(const Request& request, const Plan& plan, const MemoryPlan& memory) {
  std::string weights;
  for (const std::filesystem::path& path : {request.checkpoint, request.dit, request.dit_high, request.dit_low,
                                            request.text_encoder, request.vae, request.tokenizer})
    weights += path.string() + "|";
  for (const LoraChoice& lora : request.weights().loras)
    weights += fmt::format("{}|{}|{}|", lora.file.string(), lora.strength, lora.expert);
  if (request.random_weights)
    weights += fmt::format("{}|{}", request.model, enum_name(request.stored_as.value_or(StoredAs::kF32)));
  const std::string limit = plan.gpu_memory_limit ? plan.gpu_memory_limit->text() : "";
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}", weights, plan.device, plan.text_encoder_device,
                     static_cast<int>(plan.compute), static_cast<int>(plan.vae_compute),
                     static_cast<int>(memory.dit_residency), request.tuning_table.string(), limit,
                     plan.parallel.ranks());
}

}  // namespace wan
