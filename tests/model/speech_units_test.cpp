// What speech to video counts and cuts, against the official code's own results; its tensors against the published
// files' names and shapes.
#include <cstring>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/resize.h"
#include "io/tensor_file.h"
#include "model/audio_encoder.h"
#include "model/dit_speech.h"
#include "model/layout.h"
#include "model/speech_frames.h"
#include "model/variant.h"

namespace wan {
namespace {

using Json = nlohmann::json;

std::string unit_file(const std::string& name) { return std::string(WAN_FIXTURES) + "/units/" + name; }

Json units() {
  std::ifstream file(unit_file("s2v_animate_units.json"));
  return Json::parse(file);
}

TEST(SpeechUnits, SizesAreTheOfficialOnes) {
  const Json all = units();
  ASSERT_GT(all.at("s2v_size").size(), 10u);
  for (const Json& unit : all.at("s2v_size")) {
    const Size image{unit["image_hw"][1].get<int>(), unit["image_hw"][0].get<int>()};
    const Size size = shrunk_output_size(image, 64, unit["area"].get<int64_t>());
    EXPECT_EQ(Json({size.height, size.width}), unit["size_hw"]) << unit;
  }
}

TEST(SpeechUnits, MotionStandsWhereTheOfficialTokensStand) {
  const Json all = units();
  ASSERT_FALSE(all.at("s2v_motion_positions").empty());
  for (const Json& unit : all.at("s2v_motion_positions")) {
    const PatchGrid grid = Patch{}.grid(20, unit["latent_hw"][0].get<int64_t>(), unit["latent_hw"][1].get<int64_t>());
    std::vector<TokenPosition> expected;
    for (int64_t y = 0; y < grid.rows; ++y)
      for (int64_t x = 0; x < grid.columns; ++x) expected.push_back({30, y, x});
    EXPECT_EQ(speech_positions(grid, false), expected) << unit["latent_hw"];
    for (const Json& group : unit["groups_t_h_w"])
      for (const Json& t : group[0])
        for (const Json& y : group[1])
          for (const Json& x : group[2]) expected.push_back({t.get<int64_t>(), y.get<int64_t>(), x.get<int64_t>()});
    EXPECT_EQ(speech_positions(grid, true), expected) << unit["latent_hw"];
  }
}

TEST(SpeechUnits, FramesHearWhatTheOfficialOnesHear) {
  const Json all = units();
  ASSERT_FALSE(all.at("s2v_audio_index").empty());
  for (const Json& unit : all.at("s2v_audio_index")) {
    const auto length = unit["audio_frames_30hz"].get<int64_t>(), frames = unit["frames_per_clip"].get<int64_t>();
    EXPECT_EQ(speech_clips(length, frames, 16), unit["clips"].get<int64_t>()) << length;
    for (size_t i = 0; i < unit["index"].size(); ++i)
      EXPECT_EQ(speech_frame(static_cast<int64_t>(i), 16), unit["index"][i].get<int64_t>()) << i;
  }
  EXPECT_EQ(speech_clips(300, 80, 16), 3);  // 10 s fill two clips: the third hears nothing
  EXPECT_EQ(filled_clips(300, 80, 16), 2);
  EXPECT_EQ(filled_clips(301, 80, 16), 3);
  EXPECT_EQ(filled_clips(1, 80, 16), 1);
}

TEST(SpeechUnits, PicturesAreFittedAsTheOfficialOnes) {
  const TensorFile file = TensorFile::open(unit_file("s2v_animate_units.safetensors"));
  for (int unit = 0; unit < 4; ++unit) {
    const std::string name = "resize" + std::to_string(unit);
    const TensorView in = file.view(name + ".in"), reference = file.view(name + ".s2v_reference");
    const TensorView pose = file.view(name + ".s2v_pose_tensor");
    const Image image{static_cast<int>(in.shape[1]),
                      static_cast<int>(in.shape[0]),
                      {in.as<uint8_t>(), in.as<uint8_t>() + in.count()}};
    const Size size{static_cast<int>(reference.shape[1]), static_cast<int>(reference.shape[0])};
    const Image fitted = fit_padded(image, size);
    ASSERT_EQ(fitted.rgb.size(), static_cast<size_t>(reference.count()));
    EXPECT_EQ(std::memcmp(fitted.rgb.data(), reference.data, fitted.rgb.size()), 0) << name;
    const std::vector<float> planes = fit_padded(to_planes(image), {image.width, image.height}, size);
    ASSERT_EQ(planes.size(), static_cast<size_t>(pose.count()));
    for (size_t i = 0; i < planes.size(); ++i) ASSERT_NEAR(planes[i], pose.as<float>()[i], 2e-6) << name << ' ' << i;
  }
}

using Manifest = std::map<std::string, std::vector<int64_t>>;

Manifest published(const std::string& name) {
  std::ifstream file(unit_file("manifests_s2v_animate.json"));
  return Json::parse(file).at(name).get<Manifest>();
}

void add(Manifest& manifest, const std::string& name, const Shape& shape) {
  const auto extents = shape.extents();
  EXPECT_TRUE(manifest.emplace(name, std::vector<int64_t>(extents.begin(), extents.end())).second) << name << " twice";
}

TEST(SpeechUnits, LayoutsNameEveryPublishedTensor) {
  Manifest dit;
  for (const ExpectedWeight& weight : dit_weights(variant_named("s2v-14B").dit)) add(dit, weight.name, weight.shape);
  EXPECT_EQ(dit, published("dit.s2v-14B"));

  const AudioEncoderConfig config = published_audio_encoder_config();
  Manifest audio;
  const auto add_layout = [&](const WeightLayout& layout) {
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) add(audio, "wav2vec2." + part.source, part.shape);
  };
  add_layout(audio_stem_layout(config));
  for (int64_t layer = 0; layer < config.num_layers; ++layer) add_layout(audio_layer_layout(config, layer));
  const AudioPositionParts position = audio_position_parts(config);
  Manifest expected = published("wav2vec2-large-xlsr-53");
  // transformers of today names the two halves of a normed weight otherwise.
  for (const WeightPart& part : {position.length, position.directions}) {
    const std::string newer = "wav2vec2." + std::string(newer_audio_name(part.source));
    add(audio, expected.contains(newer) ? newer : "wav2vec2." + part.source, part.shape);
  }
  for (const char* unused : {"wav2vec2.masked_spec_embed", "lm_head.weight", "lm_head.bias"}) expected.erase(unused);
  EXPECT_EQ(audio, expected);
  EXPECT_EQ(config.frames_of(16000), 49);
  EXPECT_EQ(config.frames_of(80000), 249);
  EXPECT_EQ(config.frames_of(config.least_samples()), 1);
  EXPECT_EQ(config.frames_of(config.least_samples() - 1), 0);
}

}  // namespace
}  // namespace wan
