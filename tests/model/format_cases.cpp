#include "format_cases.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "builders.h"
#include "layouts.h"
#include "weight_files.h"

namespace wan::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kPrefix = "model.diffusion_model.";  // as ComfyUI saves a checkpoint's DiT

const Model& dit(const std::string& miniature, const std::string& expert = "high") {
  return official(miniature, ModelPart::kDit, expert);
}

FileTensors all_as(const Model& model, DType dtype, const std::string& prefix = {}) {
  return stored_all(
      model, [dtype](const std::string&, const Values&) { return dtype; },
      [&prefix](const std::string& name) { return prefix + name; });
}

/// ComfyUI's text encoder: names of transformers, the tokenizer within.
FileTensors text_encoder(const std::string& miniature, DType dtype) {
  const Model& model = official(miniature, ModelPart::kTextEncoder);
  FileTensors tensors;
  // Both miniatures' text encoders have the same tensors' names.
  for (const auto& [stored_as, name] : names(kSingle, "text_encoder.transformers"))
    tensors.push_back(stored(stored_as, model.at(name), dtype));
  const fs::path spiece = fs::path(WAN_FIXTURES) / miniature / "google/umt5-xxl/spiece.model";
  tensors.push_back(text("spiece_model", read_text(spiece)));
  return tensors;
}

FileTensors float8_plain(DType dtype) {
  return stored_all(dit(kSingle), [dtype](const std::string& name, const Values& values) {
    return is_block_linear(name, values) ? dtype : DType::kBF16;
  });
}

FileTensors float8_scaled(DType dtype, bool (*which)(const std::string&, const Values&), int64_t marked) {
  FileTensors tensors = quantised(dit(kSingle), which, [dtype](const std::string& name, const Values& values) {
    return float8_by_tensor(name, values, dtype);
  });
  tensors.push_back(marker(dtype, marked));
  return tensors;
}

FileTensors scaled_by_row(DType dtype) {
  return quantised(dit(kSingle), is_block_linear,
                   [dtype](const std::string& name, const Values& values) { return by_row(name, values, dtype); });
}

std::string dit_gguf(uint32_t other, uint32_t block) {
  return gguf(
      {.keys = {gguf_string("general.architecture", "wan")}, .tensors = gguf_tensors(dit(kSingle), other, block)});
}

/// stable-diffusion.cpp's: no architecture, a prefix, the convolution in four axes, modulations in two.
std::string folded_gguf(const std::string& expert, uint32_t block) {
  GgufSpec spec{.keys = {gguf_u32("wan.attention.head_count", 2)},
                .tensors = gguf_tensors(dit(kPair, expert), kGgufF16, block)};
  for (GgufTensor& tensor : spec.tensors) {
    auto& shape = tensor.shape;
    if (shape.size() == 5) shape = {shape[0] * shape[1], shape[2], shape[3], shape[4]};
    if (shape.size() == 3) shape.erase(shape.begin());
    tensor.name = kPrefix + tensor.name;
  }
  return gguf(spec);
}

/// llama.cpp's names, without a tokenizer.
std::string text_encoder_gguf(uint32_t type) {
  GgufSpec spec{.keys = {gguf_string("general.architecture", "t5encoder")}, .tensors = {}};
  for (const auto& [stored_as, name] : names(kSingle, "text_encoder.llama_cpp")) {
    const Values& values = official(kSingle, ModelPart::kTextEncoder).at(name);
    const auto extents = values.shape.extents();
    const bool plain = values.shape.rank() == 1 || name.find("pos_embedding") != name.npos;
    const uint32_t stored_type = plain ? kGgufF32 : type;
    spec.tensors.push_back({stored_as, {extents.begin(), extents.end()}, stored_type, gguf_data(values, stored_type)});
  }
  return gguf(spec);
}

using Writer = std::function<void(const fs::path&)>;

Writer safetensors_of(FileTensors (*make)()) {
  return [make](const fs::path& path) { write_safetensors(path, make()); };
}
Writer gguf_of(std::string (*make)()) {
  return [make](const fs::path& path) { write_file(path, make()); };
}
/// An expert's file, with the config.json beside it that says its number of heads.
Writer expert_of(FileTensors (*make)()) {
  return [make](const fs::path& path) {
    write_safetensors(path, make());
    write_file(path.parent_path() / "config.json",
               read_text(fs::path(WAN_FIXTURES) / kPair / "high_noise_model/config.json"));
  };
}

/// By the path in the fixtures, whose own program wrote the same values.
const std::map<std::string, Writer>& writers() {
  using enum DType;
  static const std::map<std::string, Writer> all{
      {"ti2v-diffusers", [](const fs::path& path) { write_diffusers(kSingle, path); }},
      {"moe-diffusers", [](const fs::path& path) { write_diffusers(kPair, path); }},
      {"ti2v-comfy-bf16/diffusion_models/wan2.2_ti2v_5B_bf16.safetensors",
       safetensors_of([] { return all_as(dit(kSingle), kBF16); })},
      {"ti2v-comfy-bf16/text_encoders/umt5_xxl_bf16.safetensors",
       safetensors_of([] { return text_encoder(kSingle, kBF16); })},
      {"ti2v-comfy-bf16/vae/wan2.2_vae.safetensors",
       safetensors_of([] { return all_as(official(kSingle, ModelPart::kVae), kBF16); })},
      {"ti2v-comfy-fp16/diffusion_models/wan2.2_ti2v_5B_fp16.safetensors",
       safetensors_of([] { return all_as(dit(kSingle), kF16, kPrefix); })},
      {"ti2v-comfy-fp16/text_encoders/umt5_xxl_fp16.safetensors",
       safetensors_of([] { return text_encoder(kSingle, kF16); })},
      {"ti2v-comfy-fp16/vae/wan2.2_vae.safetensors",
       safetensors_of([] { return all_as(official(kSingle, ModelPart::kVae), kF16); })},
      {"moe-comfy-fp32/diffusion_models/wan2.2_t2v_high_noise_14B_fp32.safetensors",
       expert_of([] { return all_as(dit(kPair, "high"), kF32, kPrefix); })},
      {"moe-comfy-fp32/diffusion_models/wan2.2_t2v_low_noise_14B_fp32.safetensors",
       expert_of([] { return all_as(dit(kPair, "low"), kF32); })},
      {"moe-comfy-fp32/text_encoders/umt5_xxl_bf16.safetensors",
       safetensors_of([] { return text_encoder(kPair, kBF16); })},
      {"moe-comfy-fp32/vae/wan_2.1_vae.safetensors",
       safetensors_of([] { return all_as(official(kPair, ModelPart::kVae), kBF16); })},
      {"ti2v-comfy-fp8-scaled/diffusion_models/wan2.2_ti2v_5B_fp8_scaled.safetensors",
       safetensors_of([] { return float8_scaled(kF8E4M3, is_linear, 2); })},
      {"ti2v-kijai-fp8-scaled/Wan2_2-TI2V-5B_fp8_e5m2_scaled_KJ.safetensors",
       safetensors_of([] { return float8_scaled(kF8E5M2, is_block_linear, 1); })},
      {"ti2v-fp8-plain/Wan2_2-TI2V-5B_fp8_e4m3fn.safetensors", safetensors_of([] { return float8_plain(kF8E4M3); })},
      {"ti2v-fp8-plain/Wan2_2-TI2V-5B_fp8_e5m2.safetensors", safetensors_of([] { return float8_plain(kF8E5M2); })},
      {"ti2v-lightx2v/wan2.2_ti2v_5b_scaled_fp8_e4m3_lightx2v.safetensors",
       safetensors_of([] { return scaled_by_row(kF8E4M3); })},
      {"ti2v-lightx2v/wan2.2_ti2v_5b_int8_lightx2v.safetensors", safetensors_of([] { return scaled_by_row(kI8); })},
      {"ti2v-gguf/Wan2.2-TI2V-5B-Q8_0.gguf", gguf_of([] { return dit_gguf(kGgufBF16, kGgufQ8_0); })},
      {"ti2v-gguf/Wan2.2-TI2V-5B-BF16.gguf", gguf_of([] { return dit_gguf(kGgufBF16, kGgufBF16); })},
      {"ti2v-gguf/Wan2.2-TI2V-5B-F16.gguf", gguf_of([] { return dit_gguf(kGgufF16, kGgufF16); })},
      {"ti2v-gguf/text_encoders/umt5-xxl-encoder-Q8_0.gguf", gguf_of([] { return text_encoder_gguf(kGgufQ8_0); })},
      {"ti2v-gguf/text_encoders/umt5-xxl-encoder-F16.gguf", gguf_of([] { return text_encoder_gguf(kGgufF16); })},
      {"moe-gguf-sdcpp/wan2.2_t2v_high_noise_q8_0.gguf", gguf_of([] { return folded_gguf("high", kGgufQ8_0); })},
      {"moe-gguf-sdcpp/wan2.2_t2v_low_noise_q4_1.gguf", gguf_of([] { return folded_gguf("low", kGgufQ4_1); })},
  };
  return all;
}

bool can_be_made(const std::string& path) { return is_archived(path) || writers().count(path) != 0; }

}  // namespace

bool FormatCase::is_golden() const { return expectation.filename() == "golden.safetensors"; }

std::vector<FormatCase> format_cases() {
  std::vector<FormatCase> cases;
  const json root = json::parse(std::ifstream(kFormats / "formats.json"));
  for (const json& row : root.at("cases")) {
    FormatCase each;
    each.name = row.at("name").get<std::string>();
    each.miniature = row.at("model") == "moe" ? kPair : kSingle;
    const json& dits = row.at("dit");
    each.dits = dits.is_array() ? dits.get<std::vector<std::string>>() : std::vector{dits.get<std::string>()};
    each.text_encoder = row.at("text_encoder").get<std::string>();
    each.vae = row.at("vae").get<std::string>();
    if (row.contains("lora"))
      for (const json& lora : row.at("lora"))
        each.loras.push_back(
            {lora.at("file").get<std::string>(), lora.at("strength").get<double>(), lora.value("expert", "")});
    const std::string expect = row.at("expect");
    each.expectation = expect.starts_with("golden of ")
                           ? fs::path(WAN_FIXTURES) / each.miniature / "golden.safetensors"
                           : fs::path(WAN_FIXTURES) / "formats-expected" / fs::path(expect).filename();
    cases.push_back(std::move(each));
  }
  return cases;
}

bool is_archived(const std::string& path) { return fs::exists(kFormats / path); }

bool can_be_made(const FormatCase& each) {
  const auto made = [](const std::string& path) { return can_be_made(path); };
  return std::all_of(each.dits.begin(), each.dits.end(), made) && made(each.text_encoder) && made(each.vae) &&
         std::all_of(each.loras.begin(), each.loras.end(),
                     [](const FormatLora& lora) { return is_archived(lora.file); });
}

fs::path format_file(const std::string& path, const fs::path& folder) {
  if (is_archived(path)) return kFormats / path;
  const fs::path written = folder / path;
  if (fs::exists(written)) return written;
  fs::create_directories(written.parent_path());
  writers().at(path)(written);
  return written;
}

}  // namespace wan::test
