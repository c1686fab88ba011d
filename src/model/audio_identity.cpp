// What a config.json says of an audio encoder, in transformers' form, and of an image encoder.
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "io/printable.h"
#include "model/dit_identity.h"

namespace wan {
namespace {

constexpr uint64_t kMostConfigBytes = uint64_t{1} << 20;
constexpr Bounds<int64_t> kHeads{1, 10'000};
constexpr Bounds<double> kEps{1e-12, 1e-2};
constexpr int64_t kPublishedHeadDim = 64;

void require_word(JsonReader& reader, const char* key, const std::string& expected) {
  std::string said = expected;
  reader.read(key, said);
  if (said != expected)
    throw reader.error(fmt::format("field '{}' is '{}', expected {}: another form of the encoder is not read", key,
                                   printable(said), expected));
}

/// The strides of the convolutions, which no tensor tells.
void require_strides(JsonReader& reader, const AudioEncoderConfig& audio) {
  const nlohmann::json* strides = reader.find("conv_stride");
  if (strides == nullptr) return;
  nlohmann::json expected = nlohmann::json::array();
  for (const AudioEncoderConfig::Conv& conv : audio.convs) expected.push_back(conv.stride);
  if (*strides != expected) throw reader.wrong("conv_stride", expected.dump(), *strides);
}

}  // namespace

void identify_audio_encoder(const std::filesystem::path& config, AudioEncoderConfig& audio) {
  std::error_code unknown;
  if (std::filesystem::exists(config, unknown)) {
    const nlohmann::json json = parse_json(read_text(config, kMostConfigBytes), config.string());
    JsonReader reader(json, config.string());
    require_word(reader, "model_type", "wav2vec2");
    require_word(reader, "feat_extract_norm", "layer");
    require_word(reader, "feat_extract_activation", "gelu");
    require_word(reader, "hidden_act", "gelu");
    bool stable = true;
    reader.read("do_stable_layer_norm", stable);
    if (!stable) throw reader.error("field 'do_stable_layer_norm' is false: another form of the encoder is not read");
    require_strides(reader, audio);
    double eps = audio.eps;
    reader.read("layer_norm_eps", eps, kEps);
    audio.eps = static_cast<float>(eps);
    reader.read("num_attention_heads", audio.num_heads, kHeads);
  }
  if (audio.num_heads == 0) audio.num_heads = audio.dim / kPublishedHeadDim;
  require(audio.num_heads > 0 && audio.dim % audio.num_heads == 0,
          fmt::format("{}: {} heads do not divide the audio encoder's width {}", config.string(), audio.num_heads,
                      audio.dim));
}

void identify_image_encoder(const std::string& file, const std::filesystem::path& config, ImageEncoderConfig& image) {
  image.num_heads = usual_image_encoder_heads(image);
  std::error_code unknown;
  if (std::filesystem::exists(config, unknown)) {
    const nlohmann::json json = parse_json(read_text(config, kMostConfigBytes), config.string());
    JsonReader reader(json, config.string());
    reader.read("image_encoder_heads", image.num_heads, kHeads);
  }
  require(image.num_heads > 0 && image.dim % image.num_heads == 0,
          fmt::format("{}: nothing tells heads that divide the image encoder's width {}: say them in {} as "
                      "image_encoder_heads",
                      file, image.dim, config.string()));
}

}  // namespace wan
