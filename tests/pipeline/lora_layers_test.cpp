// Layers with LoRAs: where they are added, and how a layer is cut, changes no bit.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "lora_files.h"
#include "model/lora_patches.h"
#include "pipeline/layer_store.h"

namespace wan {
namespace {

using test::FileTensors;

constexpr int kLayers = 4;
constexpr int64_t kRows = 21, kColumns = 67;

std::string matrix_of(int layer, const char* which) { return fmt::format("blocks.{}.{}.weight", layer, which); }
std::string bias_of(int layer) { return fmt::format("blocks.{}.q.bias", layer); }

/// q and k stacked in BF16, v in F32, and a bias. Odd sizes, so that chunks end within slots, parts and rows.
WeightLayout layout_of(int layer) {
  WeightLayout layout;
  const Initializer init{0, 1};
  const Shape matrix{kRows, kColumns};
  layout.add("qk", DType::kBF16, {2 * kRows, kColumns},
             {WeightLayout::Source{matrix_of(layer, "q"), matrix, init},
              WeightLayout::Source{matrix_of(layer, "k"), matrix, init}});
  layout.add("v", DType::kF32, matrix, matrix_of(layer, "v"), init);
  layout.add("bias", DType::kF32, {kRows}, bias_of(layer), init);
  return layout;
}

std::vector<WeightLayout> layouts() {
  std::vector<WeightLayout> all;
  for (int layer = 0; layer < kLayers; ++layer) all.push_back(layout_of(layer));
  return all;
}

std::vector<ExpectedWeight> weights() {
  std::vector<ExpectedWeight> all;
  for (int layer = 0; layer < kLayers; ++layer) {
    for (const char* which : {"q", "k", "v"}) all.push_back({matrix_of(layer, which), {kRows, kColumns}});
    all.push_back({bias_of(layer), {kRows}});
  }
  return all;
}

/// Changes q and v of the even layers by products, k of layer 1 and the bias of layer 0 by differences.
FileTensors style() {
  FileTensors tensors;
  for (int layer = 0; layer < kLayers; layer += 2)
    for (const char* which : {"q", "v"}) {
      const std::string module = fmt::format("blocks.{}.{}", layer, which);
      test::add_pair(tensors, module + ".lora_down.weight", module + ".lora_up.weight", kRows, kColumns, 3, layer);
    }
  tensors.push_back(test::small_tensor("blocks.1.k.diff", {kRows, kColumns}, 4));
  tensors.push_back(test::small_tensor("blocks.0.q.diff_b", {kRows}, 5));
  return tensors;
}

/// A second one, of another rank, on q of all layers.
FileTensors speed() {
  FileTensors tensors;
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string module = fmt::format("blocks.{}.q", layer);
    test::add_pair(tensors, module + ".lora_A.weight", module + ".lora_B.weight", kRows, kColumns, 5, layer + 1);
  }
  return tensors;
}

struct Case {
  Residency residency = Residency::kResident;
  bool on_device = false;
  DType stored = DType::kBF16;
  size_t chunk = 1024;
};

class LoraLayers : public testing::TestWithParam<Case> {
 protected:
  static Lora opened(const test::Written& file) { return Lora::open(file.path(), weights()); }

  test::Written style_file_{style()}, speed_file_{speed()};
  Lora style_ = opened(style_file_), speed_ = opened(speed_file_);
  std::unique_ptr<Backend> backend_ = make_backend({"cpu", 1, {}});
  WeightSource base_ = WeightSource::random(3, GetParam().stored);
};

std::vector<std::byte> expected_of(const WeightSource& source, const WeightPart& part, DType dtype) {
  std::vector<std::byte> bytes(static_cast<size_t>(part.shape.count()) * size_of(dtype));
  source.read(part, 0, part.shape.count(), dtype, bytes.data());
  return bytes;
}

/// How many parts of all layers are not as `source` reads them.
int wrong_parts(LayerStore& layers, const WeightSource& source) {
  int wrong = 0;
  for (int layer = 0; layer < kLayers; ++layer) {
    const TensorView slab = layers.acquire(layer);
    const WeightLayout layout = layout_of(layer);
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) {
        const std::vector<std::byte> expected = expected_of(source, part, slot.dtype);
        const auto* found = static_cast<const std::byte*>(slab.data) + slot.offset +
                            static_cast<size_t>(part.element_offset) * size_of(slot.dtype);
        wrong += std::memcmp(found, expected.data(), expected.size()) == 0 ? 0 : 1;
      }
    layers.release(layer);
  }
  return wrong;
}

/// How many parts are not as `expected` reads them, of layers that are loaded from `merged`.
int wrong_parts_of(Backend& backend, const Case& how, int threads, const WeightSource& merged,
                   const WeightSource& expected) {
  LayerStore layers(backend, layouts(), merged, {how.residency, 3, threads, "test", how.chunk, how.on_device});
  layers.start();
  return wrong_parts(layers, expected);
}

TEST_P(LoraLayers, AreAsIfReadMerged) {
  WeightPatches patches;
  patches.add(style_, 0.5f);
  patches.add(speed_, -2);
  const WeightSource merged = base_.with(patches);
  for (const int threads : {1, 5})
    EXPECT_EQ(wrong_parts_of(*backend_, GetParam(), threads, merged, merged), 0) << threads << " threads";
}

/// The check above can fail: six parts are changed by the first, four by the second, of which two are the same.
TEST_P(LoraLayers, DifferFromTheBaseWhereALoraChangesThem) {
  WeightPatches patches;
  patches.add(style_, 1);
  patches.add(speed_, 1);
  EXPECT_EQ(wrong_parts_of(*backend_, GetParam(), 2, base_.with(patches), base_), 8);
}

TEST_P(LoraLayers, OfStrengthZeroAreTheBase) {
  WeightPatches patches;
  patches.add(style_, 0);
  EXPECT_EQ(wrong_parts_of(*backend_, GetParam(), 2, base_.with(patches), base_), 0);
}

/// Factors of F32 whose values have all their bits.
FileTensors fine_factors() {
  FileTensors tensors;
  const auto fine = [](const Shape& shape, int seed) {
    std::vector<float> values = test::small_values(shape.count(), seed);
    for (size_t i = 0; i < values.size(); ++i) values[i] *= 1 + static_cast<float>((i * 37 + 11) % 97) / 8191;
    return values;
  };
  for (int layer = 0; layer < kLayers; ++layer) {
    const std::string module = fmt::format("blocks.{}.q", layer);
    const Shape down{5, kColumns}, up{kRows, 5};
    tensors.push_back(test::stored(module + ".lora_A.weight", {down, fine(down, 1)}, DType::kF32));
    tensors.push_back(test::stored(module + ".lora_B.weight", {up, fine(up, 2)}, DType::kF32));
  }
  return tensors;
}

/// Multiplied as the sum of two BF16 they lose so little that hardly a value rounds otherwise; cut to one BF16, one in
/// ten and more would.
TEST(LoraFactors, OfF32KeepSixteenBits) {
  const test::Written file(fine_factors());
  const Lora lora = Lora::open(file.path(), weights());
  WeightPatches patches;
  patches.add(lora, 64);
  const WeightSource merged = WeightSource::random(3).with(patches);
  const auto backend = make_backend({"cpu", 1, {}});
  LayerStore layers(*backend, layouts(), merged, {Residency::kPacked, 2, 2, "test"});
  layers.start();
  int64_t others = 0, cut_others = 0, all = 0;
  for (int layer = 0; layer < kLayers; ++layer) {
    const TensorView slab = layers.acquire(layer);
    const WeightLayout layout = layout_of(layer);
    const WeightPart& q = layout.slots().front().parts.front();
    std::vector<float> base(static_cast<size_t>(q.shape.count())), exact(base.size());
    merged.read_base(q, 0, q.shape.count(), DType::kF32, base.data());
    merged.read(q, 0, q.shape.count(), DType::kF32, exact.data());
    const LoraChange& change = *merged.terms(q).front().change;
    std::vector<float> up(static_cast<size_t>(kRows * change.rank)), down(static_cast<size_t>(change.rank * kColumns));
    lora.read(*change.up, 0, std::ssize(up), up.data());
    lora.read(*change.down, 0, std::ssize(down), down.data());
    const auto* found = static_cast<const BF16*>(slab.data);
    for (int64_t row = 0; row < kRows; ++row)
      for (int64_t column = 0; column < kColumns; ++column, ++all) {
        const auto at = static_cast<size_t>(row * kColumns + column);
        float sum = 0;
        for (int64_t k = 0; k < change.rank; ++k)
          sum += round_to_bf16(up[static_cast<size_t>(row * change.rank + k)]) *
                 round_to_bf16(down[static_cast<size_t>(k * kColumns + column)]);
        others += found[at].bits == to_bf16(exact[at]).bits ? 0 : 1;
        cut_others += to_bf16(base[at] + 64 * sum).bits == to_bf16(exact[at]).bits ? 0 : 1;
      }
    layers.release(layer);
  }
  EXPECT_LE(others, all / 100) << cut_others << " of " << all << " where factors are cut";
  EXPECT_GE(cut_others, all / 10) << "the check above could not fail";
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Residency residency : {Residency::kResident, Residency::kPacked, Residency::kStream,
                                    Residency::kPackedStream, Residency::kMapped, Residency::kOnce})
    for (const bool on_device : is_packed(residency) ? std::vector{true} : std::vector{false, true})
      for (const DType stored : {DType::kBF16, DType::kF32})
        // In one piece, in several with whole rows, and with rows that no chunk holds.
        for (const size_t chunk : {size_t{1} << 20, size_t{1024}, size_t{96}})
          all.push_back({residency, on_device, stored, chunk});
  return all;
}

std::string name_of_case(const testing::TestParamInfo<Case>& each) {
  constexpr std::array kNames{"Resident", "Packed", "Stream", "PackedStream", "Mapped", "Once"};
  return fmt::format("{}{}{}By{}", kNames[static_cast<size_t>(each.param.residency)],
                     each.param.on_device ? "OnDevice" : "OnHost", name_of(each.param.stored), each.param.chunk);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, LoraLayers, testing::ValuesIn(cases()), name_of_case);

}  // namespace
}  // namespace wan
