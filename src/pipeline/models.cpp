#include "pipeline/models.h"

#include <fmt/format.h>

#include "model/dit_speech.h"
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
  if (injectors) stores.push_back(injectors.get());
  return stores;
}

Models::~Models() {
  // Networks go before the memory they use, everything before its backend.
  vae.reset();
  for (LoadedExpert& expert : experts) {
    expert.dit.reset();
    expert.injectors.reset();
    expert.speech_stem.reset();
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
    const int64_t injected = set.dit.speech.injected;
    if (injected == 0) continue;
    expert.speech_stem =
        single(*backend, speech_stem_layout(set.dit, plan.compute), *expert.source, "DiT's speech stem");
    layouts.clear();
    for (int64_t place = 0; place < injected; ++place)
      layouts.push_back(speech_injector_layout(set.dit, place, plan.compute));
    expert.injectors =
        std::make_unique<LayerStore>(*backend, std::move(layouts), *expert.source,
                                     LayerStoreOptions{memory.dit_residency, 3, 0, "DiT's audio injectors"});
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

Models::AudioStores Models::make_audio_stores(const WeightSource& source) {
  std::vector<WeightLayout> layouts;
  for (int64_t layer = 0; layer < set.audio.num_layers; ++layer)
    layouts.push_back(audio_layer_layout(set.audio, layer));
  AudioStores stores{single(*backend, audio_stem_layout(set.audio), source, "audio encoder's stem"),
                     std::make_unique<LayerStore>(*backend, std::move(layouts), source,
                                                  LayerStoreOptions{Residency::kOnce, 3, 0, "audio encoder"})};
  stores.stem->start();
  stores.layers->start();
  return stores;
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
  if (expert.speech_stem) expert.speech_stem->start();
  if (expert.injectors) expert.injectors->start();
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
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}", weights, plan.device, plan.text_encoder_device,
                     static_cast<int>(plan.compute), static_cast<int>(plan.vae_compute),
                     static_cast<int>(memory.dit_residency), request.tuning_table.string(), limit);
}

}  // namespace wan
