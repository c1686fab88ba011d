// What a driving video counts and fits, against the official code's own results; its model's tensors against the
// published files' names and shapes, and its cost against the official forward's count.
#include <cstring>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "io/resize.h"
#include "io/tensor_file.h"
#include "model/cost.h"
#include "model/image_encoder.h"
#include "model/layout.h"
#include "model/motion_encoder.h"
#include "model/variant.h"

namespace wan {
namespace {

using Json = nlohmann::json;
using Manifest = std::map<std::string, std::vector<int64_t>>;

std::string unit_file(const std::string& name) { return std::string(WAN_FIXTURES) + "/units/" + name; }

Manifest published(const std::string& name) {
  std::ifstream file(unit_file("manifests_s2v_animate.json"));
  return Json::parse(file).at(name).get<Manifest>();
}

void add(Manifest& manifest, const std::string& name, const Shape& shape) {
  const auto extents = shape.extents();
  EXPECT_TRUE(manifest.emplace(name, std::vector<int64_t>(extents.begin(), extents.end())).second) << name << " twice";
}

TEST(AnimateUnits, LayoutsNameEveryPublishedTensor) {
  Manifest dit;
  int64_t parameters = 0;
  for (const ExpectedWeight& weight : dit_weights(variant_named("animate-14B").dit)) {
    add(dit, weight.name, weight.shape);
    parameters += weight.shape.count();
  }
  EXPECT_EQ(dit, published("dit.animate-14B"));
  EXPECT_EQ(dit.size(), 1441u);
  EXPECT_EQ(parameters, 17'274'817'108);

  const ImageEncoderConfig config = published_image_encoder_config();
  Manifest image;
  const auto add_layout = [&](const WeightLayout& layout) {
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) add(image, "visual." + part.source, part.shape);
  };
  add_layout(image_stem_layout(config));
  for (int64_t layer = 0; layer < config.num_layers; ++layer) add_layout(image_layer_layout(config, layer));
  EXPECT_EQ(image.size(), 377u);
  const Manifest expected = published("clip-xlm-roberta-vit-h-14");
  for (const auto& [name, shape] : image) {
    ASSERT_TRUE(expected.contains(name)) << name;
    EXPECT_EQ(expected.at(name), shape) << name;
  }
}

TEST(AnimateUnits, DirectionsHaveTheSignsOfLapack) {
  const TensorFile file = TensorFile::open(unit_file("s2v_animate_units.safetensors"));
  const TensorView expected = file.view("direction.Q");
  const Tensor q = orthonormal_directions(file.view("direction.weight"));
  ASSERT_EQ(q->shape, expected.shape);
  for (int64_t i = 0; i < q->count(); ++i) ASSERT_NEAR(q->as<float>()[i], expected.as<float>()[i], 1e-6) << i;
}

TEST(AnimateUnits, PicturesAreFittedAsTheOfficialOnes) {
  const TensorFile file = TensorFile::open(unit_file("s2v_animate_units.safetensors"));
  for (int unit = 0; unit < 4; ++unit) {
    const std::string name = "resize" + std::to_string(unit);
    const TensorView in = file.view(name + ".in"), expected = file.view(name + ".padding_resize");
    const Image image{static_cast<int>(in.shape[1]),
                      static_cast<int>(in.shape[0]),
                      {in.as<uint8_t>(), in.as<uint8_t>() + in.count()}};
    const Image fitted = fit_inside(image, {static_cast<int>(expected.shape[1]), static_cast<int>(expected.shape[0])});
    ASSERT_EQ(fitted.rgb.size(), static_cast<size_t>(expected.count()));
    EXPECT_EQ(std::memcmp(fitted.rgb.data(), expected.data, fitted.rgb.size()), 0) << name;
  }
}

// The totals of the official forward, counted on torch's meta device without what is once a clip: 1e12 operations.
TEST(AnimateUnits, CostIsTheOfficialForwards) {
  const Variant& variant = variant_named("animate-14B");
  const auto cost = [&](int64_t width, int64_t height) {
    PatchGrid grid = variant.grid({width, height, variant.clips.frames});
    grid.frames = variant.clip_latents(variant.clips.frames);
    return dit_cost(variant.dit, grid.tokens());
  };
  EXPECT_NEAR(cost(1280, 720).total() / 1e12, 6601, 1);
  EXPECT_NEAR(cost(832, 480).total() / 1e12, 1711, 1);
  EXPECT_NEAR(cost(1280, 720).self_attention / 1e12, 4682, 1);
  EXPECT_NEAR(image_encoder_cost(published_image_encoder_config()) / 1e12, 0.32, 0.01);
}

// The stored weights but for the blurs, whose kernels are in those of 6 x 6 and 4 x 4 values in place of 3 x 3 and 1.
TEST(AnimateUnits, TheMotionEncodersMemoryIsThatOfItsJoinedWeights) {
  const AnimateConfig& config = variant_named("animate-14B").dit.animate;
  const WeightLayout layout = motion_encoder_layout(config);
  uint64_t values = 0;
  for (const WeightSlot& slot : layout.slots()) {
    const auto count = static_cast<uint64_t>(slot.shape.count());
    if (slot.name.ends_with(".kernel")) continue;
    if (slot.name.ends_with("conv2.1.weight")) {
      values += count / 9 * 36;
    } else if (slot.name.ends_with("skip.1.weight")) {
      values += count * 16 + static_cast<uint64_t>(slot.shape[0]);  // and a bias of zeros
    } else if (!slot.name.starts_with("motion_encoder.enc.fc.")) {
      values += count;
    }
  }
  values += 512 + 20 * (512 + 1);  // a bias of zeros, and the linear steps as one
  EXPECT_EQ(motion_encoder_bytes(config), 4 * values);
  // A face of 512 x 512 as it is and in 32 channels, then each level's input and its output, of half the side.
  uint64_t working = 512 * 512 * (3 + 32), side = 512;
  for (const uint64_t width : {32, 64, 128, 256, 512, 512, 512}) {
    working += side * side * width;
    side /= 2;
    working += side * side * std::min<uint64_t>(2 * width, 512);
  }
  EXPECT_EQ(face_activation_bytes(config), 4 * working);
}

}  // namespace
}  // namespace wan
