// The folders of ComfyUI's `models`: diffusion_models, text_encoders and vae, a file a part.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "model/dit_identity.h"
#include "model/made_checkpoint.h"
#include "model/random_codes.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<WrittenTensor>;

const BlockMix* mix_of(CheckpointFormat format) {
  switch (format) {
    case CheckpointFormat::kGgufQ4KM: return mix_of(StoredAs::kQ4KM);
    case CheckpointFormat::kGgufQ8_0: return mix_of(StoredAs::kQ8_0);
    default: return nullptr;
  }
}

/// "wan2.2_", the task, the expert where there are several, and the published size without what stands for experts.
std::string dit_stem(const Variant& variant, const ExpertSpec& expert) {
  std::string_view size = variant.name.substr(variant.name.rfind('-') + 1);
  if (size.starts_with('A')) size.remove_prefix(1);
  return fmt::format("wan2.2_{}{}{}_{}", variant.task, expert.name.empty() ? "" : "_", expert.name, size);
}

/// Tensors whose elements are widest first, so that each is aligned for its type.
Tensors widest_first(Tensors tensors) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const WrittenTensor& a, const WrittenTensor& b) { return size_of(a.dtype) > size_of(b.dtype); });
  return tensors;
}

std::string bytes_of_one() {
  const float one = 1;
  return {reinterpret_cast<const char*>(&one), sizeof one};
}

/// ComfyUI's first form of scaled FP8: a marker, and beside each matrix of E4M3 its scale. `with_inputs`: the hint for
/// quantising activations as well, which says nothing.
Tensors scaled(Tensors tensors, bool with_inputs) {
  constexpr std::string_view kWeight = ".weight";
  constexpr int64_t kMarkerValues = 2;  // "multiply in full precision"
  Tensors sidecars;
  size_t scales = 0;
  for (WrittenTensor& tensor : tensors) {
    if (!is_linear(tensor)) continue;
    tensor.dtype = DType::kF8E4M3;
    tensor.scale = scales++;
    const std::string layer = tensor.name.substr(0, tensor.name.size() - kWeight.size());
    sidecars.push_back({.name = layer + ".scale_weight", .scale = tensor.scale});
    if (with_inputs) sidecars.push_back({.name = layer + ".scale_input", .content = bytes_of_one()});
  }
  sidecars.push_back({.name = "scaled_fp8",
                      .shape = {kMarkerValues},
                      .dtype = DType::kF8E4M3,
                      .content = std::string(kMarkerValues, '\0')});
  tensors.insert(tensors.end(), sidecars.begin(), sidecars.end());
  return widest_first(std::move(tensors));
}

/// Whether ComfyUI-GGUF's converter keeps a tensor in F32: vectors, modulations, what is small, and the convolution,
/// which it leaves out and another tool adds.
bool stays_f32(const WrittenTensor& tensor) {
  constexpr int64_t kSmall = 1024;
  return tensor.shape.rank() == 1 || tensor.shape.rank() > 4 || tensor.shape.count() <= kSmall ||
         tensor.name.ends_with("modulation");
}

/// In blocks where a matrix is within the DiT's blocks and its rows are whole ones; else F16 there, as llama-quantize
/// falls back to, and BF16 outside.
Tensors mixed(Tensors tensors, const BlockMix& mix) {
  for (WrittenTensor& tensor : tensors) {
    tensor.dtype = stays_f32(tensor) ? DType::kF32 : DType::kBF16;
    if (tensor.dtype == DType::kF32) continue;
    const BlockType block = block_type_of(mix, tensor.name, tensor.shape);
    if (block == BlockType::kNone) continue;
    if (tensor.shape[-1] % traits_of(block).values == 0)
      tensor.block = block;
    else
      tensor.dtype = DType::kF16;
  }
  return tensors;
}

void add_dits(CheckpointFolder& folder, const MadeCheckpoint& made) {
  const CheckpointSizes& sizes = made.sizes;
  const fs::path place = "diffusion_models";
  Tensors plain = dit_tensors(sizes.dit, DType::kBF16);
  store_all_as(plain, DType::kBF16);
  const BlockMix* mix = mix_of(made.form.format);
  const bool fp8 = made.form.format == CheckpointFormat::kComfyFp8;
  for (size_t i = 0; i < made.dits.size(); ++i) {
    const fs::path stem = place / dit_stem(*sizes.variant, sizes.variant->experts[i]);
    if (mix != nullptr)
      folder.add_gguf(fmt::format("{}_{}.gguf", stem.string(), mix->name), made.dits[i], mixed(plain, *mix),
                      {{"general.architecture", "wan"},
                       {"general.quantization_version", uint32_t{2}},
                       {"general.file_type", mix->file_type}});
    else
      folder.add_safetensors(fmt::format("{}_{}.safetensors", stem.string(), fp8 ? "fp8_scaled" : "bf16"), made.dits[i],
                             fp8 ? scaled(plain, true) : plain);
  }
  if (!is_told_by_tensors(sizes.dit))
    folder.add_text(place / "config.json", official_dit_config(*sizes.variant, sizes.dit));
}

/// A SentencePiece model, from the folder of a tokenizer or by itself.
std::string spiece_model(const fs::path& tokenizer) {
  const fs::path file = fs::is_directory(tokenizer) ? tokenizer / "spiece.model" : tokenizer;
  require(fs::is_regular_file(file) && file.extension() == ".model",
          fmt::format("{}: a text encoder of ComfyUI holds a SentencePiece model, and there is no spiece.model",
                      tokenizer.string()));
  return read_text(file);
}

}  // namespace

void add_comfy(CheckpointFolder& folder, const MadeCheckpoint& made) {
  const CheckpointSizes& sizes = made.sizes;
  add_dits(folder, made);

  Tensors text = text_encoder_tensors(sizes.text);
  rename_all(text, ModelPart::kTextEncoder, WeightNaming::kTransformers);
  const bool plain = made.form.format == CheckpointFormat::kComfy;
  if (!plain) text = scaled(std::move(text), false);
  std::string model = spiece_model(made.tokenizer);
  text.push_back({.name = "spiece_model",
                  .shape = {static_cast<int64_t>(model.size())},
                  .dtype = DType::kU8,
                  .content = std::move(model)});
  folder.add_safetensors(
      fs::path("text_encoders") / (plain ? "umt5_xxl_bf16.safetensors" : "umt5_xxl_fp8_e4m3fn_scaled.safetensors"),
      made.text_encoder, std::move(text));

  folder.add_safetensors(
      fs::path("vae") / (sizes.variant->vae == VaeVersion::k21 ? "wan_2.1_vae.safetensors" : "wan2.2_vae.safetensors"),
      made.vae, vae_tensors(sizes.vae, DType::kBF16));
}

}  // namespace wan
