#include "layouts.h"

#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "builders.h"
#include "weight_files.h"

namespace wan::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json config_of(const std::string& miniature) {
  const fs::path folder = fs::path(WAN_FIXTURES) / miniature;
  return json::parse(read_text(miniature == kPair ? folder / "high_noise_model/config.json" : folder / "config.json"));
}

fs::path tokenizer_of(const std::string& miniature) { return fs::path(WAN_FIXTURES) / miniature / "google/umt5-xxl"; }

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A part under the names of a table, in BF16 where `small` is set, else F32.
FileTensors named(const std::string& miniature, const std::string& table, const Model& model, DType dtype) {
  FileTensors tensors;
  for (const auto& [stored_as, name] : names(miniature, table))
    tensors.push_back(stored(stored_as, model.at(name), dtype));
  return tensors;
}

void write_weights(const fs::path& path, const FileTensors& tensors) {
  fs::create_directories(path.parent_path());
  write_safetensors(path, tensors);
}

std::vector<std::string> experts_of(const std::string& miniature) {
  return miniature == kPair ? std::vector<std::string>{"high", "low"} : std::vector<std::string>{""};
}

const Model& dit_of(const std::string& miniature, const std::string& expert) {
  return official(miniature, ModelPart::kDit, expert.empty() ? "high" : expert);
}

}  // namespace

void write_diffusers(const std::string& miniature, const fs::path& folder) {
  const json official_config = config_of(miniature);
  const int64_t heads = official_config.at("num_heads"), dim = official_config.at("dim");
  const json config{{"_class_name", "WanTransformer3DModel"},
                    {"num_attention_heads", heads},
                    {"attention_head_dim", dim / heads},
                    {"in_channels", official_config.at("in_dim")},
                    {"out_channels", official_config.at("out_dim")},
                    {"ffn_dim", official_config.at("ffn_dim")},
                    {"num_layers", official_config.at("num_layers")},
                    {"image_dim", nullptr},
                    {"eps", 1e-6}};
  const bool pair = miniature == kPair;
  for (const std::string& expert : experts_of(miniature)) {
    const fs::path part = folder / (expert == "low" ? "transformer_2" : "transformer");
    write_weights(part / "diffusion_pytorch_model.safetensors",
                  named(miniature, "dit.diffusers", dit_of(miniature, expert), DType::kF32));
    write(part / "config.json", config.dump());
  }
  // Both miniatures' text encoders have the same tensors' names.
  write_weights(
      folder / "text_encoder/model.safetensors",
      named(kSingle, "text_encoder.transformers", official(miniature, ModelPart::kTextEncoder), DType::kBF16));
  write_weights(folder / "vae/diffusion_pytorch_model.safetensors",
                named(miniature, "vae.diffusers", official(miniature, ModelPart::kVae), DType::kF32));
  fs::create_directories(folder / "tokenizer");
  fs::copy_file(tokenizer_of(miniature) / "tokenizer.json", folder / "tokenizer/tokenizer.json");
  const json index{{"_class_name", "WanPipeline"},
                   {"boundary_ratio", pair ? json(0.875) : json(nullptr)},
                   {"expand_timesteps", !pair}};
  write(folder / "model_index.json", index.dump());
}

void write_comfy(const std::string& miniature, const fs::path& models, bool as_gguf) {
  for (const std::string& expert : experts_of(miniature)) {
    const fs::path stem = models / "diffusion_models" /
                          (expert.empty() ? "wan2.2_ti2v_5B" : fmt::format("wan2.2_t2v_{}_noise_14B", expert));
    const Model& model = dit_of(miniature, expert);
    if (as_gguf) {
      GgufSpec spec{.keys = {gguf_string("general.architecture", "wan")},
                    .tensors = gguf_tensors(model, kGgufBF16, kGgufBF16)};
      write(stem.string() + ".gguf", gguf(spec));
    } else {
      const std::string prefix = expert == "high" ? "model.diffusion_model." : "";
      write_weights(stem.string() + "_bf16.safetensors",
                    stored_all(
                        model, [](const std::string&, const Values&) { return DType::kBF16; },
                        [&](const std::string& name) { return prefix + name; }));
    }
  }
  write(models / "diffusion_models/config.json", config_of(miniature).dump());
  FileTensors text_encoder =
      named(kSingle, "text_encoder.transformers", official(miniature, ModelPart::kTextEncoder), DType::kBF16);
  text_encoder.push_back(text("spiece_model", read_text(tokenizer_of(miniature) / "spiece.model")));
  write_weights(models / "text_encoders/umt5_xxl_bf16.safetensors", text_encoder);
  write_weights(models / "vae/wan_vae.safetensors", stored_all(official(miniature, ModelPart::kVae), DType::kF32));
}

}  // namespace wan::test
