// The official miniatures in the layouts that people have, for tests that open whole models.
#pragma once

#include <filesystem>
#include <string>

namespace wan::test {

/// transformer, transformer_2 of the pair, text_encoder, vae and tokenizer, with model_index.json and the configs.
void write_diffusers(const std::string& miniature, const std::filesystem::path& folder);

/// ComfyUI's folders diffusion_models, text_encoders and vae: BF16, a prefix on the high-noise expert, the tokenizer
/// within the text encoder's file, config.json beside the DiTs. `as_gguf`: the DiTs as GGUF of BF16.
void write_comfy(const std::string& miniature, const std::filesystem::path& models, bool as_gguf = false);

}  // namespace wan::test
