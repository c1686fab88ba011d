// Random weights in the forms of files: of the spread that is asked for, the same however they are read, and of the
// size that files of these names have.
#include "model/random_codes.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/dit.h"
#include "model/variant.h"

namespace wan {
namespace {

constexpr StoredAs kCoded[] = {StoredAs::kFp8Scaled, StoredAs::kQ8_0, StoredAs::kQ5KM, StoredAs::kQ4KM};

WeightPart matrix(const std::string& name, int64_t rows = 96, int64_t columns = 512) {
  return {"blocks.3." + name, {rows, columns}, 0, {0, 0.02f}};
}

std::vector<float> values_of(const WeightSource& source, const WeightPart& part) {
  std::vector<float> values(static_cast<size_t>(part.shape.count()));
  source.read(part, 0, part.shape.count(), DType::kF32, values.data());
  return values;
}

TEST(RandomCodes, HaveTheSpreadThatIsAskedFor) {
  for (const StoredAs stored : kCoded)
    for (const char* name : {"self_attn.q.weight", "self_attn.v.weight", "ffn.2.weight"}) {
      const std::vector<float> values = values_of(WeightSource::random(5).as(stored), matrix(name));
      double sum = 0, squares = 0;
      for (const float value : values) {
        ASSERT_TRUE(std::isfinite(value));
        sum += value;
        squares += double{value} * value;
      }
      const auto count = static_cast<double>(values.size());
      EXPECT_NEAR(std::sqrt(squares / count), 0.02, 0.0004) << static_cast<int>(stored) << " " << name;
      EXPECT_NEAR(sum / count, 0, 0.001) << static_cast<int>(stored) << " " << name;
    }
}

TEST(RandomCodes, AreTheSameHoweverTheyAreCut) {
  const WeightPart part = matrix("ffn.2.weight");
  for (const StoredAs stored : kCoded) {
    const WeightSource source = WeightSource::random(5).as(stored);
    const PackedPart packed = source.packed(part, DType::kBF16);
    ASSERT_FALSE(packed.is_read);
    const int64_t rows = part.shape[0], columns = part.shape[1];
    const size_t row_bytes = packed.form.row_bytes(columns);
    std::vector<std::byte> whole(static_cast<size_t>(rows) * row_bytes), pieces(whole.size());
    source.read_packed(part, packed.form, 0, rows, whole.data());
    for (const auto& [begin, end] : {std::pair<int64_t, int64_t>{0, 1}, {1, 50}, {50, rows}})
      source.read_packed(part, packed.form, begin, end, pieces.data() + static_cast<size_t>(begin) * row_bytes);
    EXPECT_EQ(whole, pieces);
    std::vector<float> decoded(static_cast<size_t>(rows * columns));
    const TensorView bytes(whole.data(), DType::kU8, {std::ssize(whole)}, Memory::kHost);
    decode_packed({packed.form, rows, columns, bytes, {}, packed.factor, 0}, 0, rows, decoded.data());
    EXPECT_EQ(values_of(source, part), decoded) << static_cast<int>(stored);
    std::vector<float> middle(700);
    source.read(part, 300, 1000, DType::kF32, middle.data());
    EXPECT_TRUE(std::equal(middle.begin(), middle.end(), decoded.begin() + 300)) << static_cast<int>(stored);
  }
}

TEST(RandomCodes, OfOtherKeysAndPartsAreOthers) {
  const WeightSource source = WeightSource::random(5).as(StoredAs::kQ4KM);
  const std::vector<float> q = values_of(source, matrix("self_attn.q.weight"));
  EXPECT_NE(q, values_of(source, matrix("self_attn.k.weight")));
  EXPECT_NE(q, values_of(WeightSource::random(6).as(StoredAs::kQ4KM), matrix("self_attn.q.weight")));
}

TEST(RandomCodes, LeaveAllElseAsItIs) {
  const WeightSource plain = WeightSource::random(5);
  for (const StoredAs stored : kCoded) {
    const WeightSource source = plain.as(stored);
    const WeightPart norm{"blocks.3.norm3.weight", {512}, 0, {1, 0.1f}};
    const WeightPart stem{"text_embedding.0.weight", {64, 512}, 0, {0, 0.02f}};
    EXPECT_EQ(values_of(source, norm), values_of(plain, norm));
    EXPECT_EQ(values_of(source, stem), values_of(plain, stem));
    EXPECT_TRUE(source.packed(stem, DType::kBF16).is_read);
  }
}

/// Stored in BF16 they compute as those that are rounded when they are loaded.
TEST(RandomCodes, OfBF16AreTheRoundedOnes) {
  const WeightPart part = matrix("self_attn.q.weight");
  std::vector<float> rounded = values_of(WeightSource::random(5), part);
  for (float& value : rounded) value = round_to_bf16(value);
  EXPECT_EQ(values_of(WeightSource::random(5).as(StoredAs::kBF16), part), rounded);
}

/// Rows that are no whole blocks, as llama-quantize leaves them.
TEST(RandomCodes, FallBackWhereBlocksDoNotFit) {
  const WeightSource source = WeightSource::random(5).as(StoredAs::kQ4KM);
  const WeightPart odd = matrix("self_attn.q.weight", 8, 100);
  const std::vector<float> values = values_of(source, odd);
  for (const float value : values) EXPECT_EQ(value, round_to_bf16(value));
}

/// An expert in 10^9 bytes: its blocks, and all else in 16 bits.
double gigabytes_as(StoredAs stored) {
  const DitConfig dit = variant_named("t2v-A14B").dit;
  const WeightSource source = WeightSource::random(5).as(stored);
  double bytes = 0;
  const WeightLayout stem = dit_stem_layout(dit, DType::kBF16);
  for (const WeightSlot& slot : stem.slots()) bytes += static_cast<double>(slot.shape.count()) * sizeof(uint16_t);
  for (int layer = 0; layer < dit.num_layers; ++layer) {
    const WeightLayout layout = dit_block_layout(dit, layer, DType::kBF16);
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& part : slot.parts) {
        const PackedPart packed = source.packed(part, slot.dtype);
        const int64_t columns = part.shape.rank() < 2 ? 1 : part.shape[1];
        bytes +=
            static_cast<double>(part.shape.count() / columns) * static_cast<double>(packed.form.row_bytes(columns));
      }
  }
  return bytes / 1e9;
}

/// Published files of an A14B expert: Q4_K_M 9.65 GB, Q5_K_M 10.8 GB, Q8_0 15.4 GB, fp8_scaled 14.3 GB.
TEST(RandomCodes, HaveTheSizeOfPublishedFiles) {
  EXPECT_NEAR(gigabytes_as(StoredAs::kQ4KM), 9.65, 0.1);
  EXPECT_NEAR(gigabytes_as(StoredAs::kQ5KM), 10.8, 0.1);
  EXPECT_NEAR(gigabytes_as(StoredAs::kQ8_0), 15.4, 0.2);
  EXPECT_NEAR(gigabytes_as(StoredAs::kFp8Scaled), 14.3, 0.3);
}

TEST(RandomCodes, AreOnlyOfRandomWeightsOfF32) {
  EXPECT_THROW(WeightSource::random(5, DType::kBF16).as(StoredAs::kQ8_0), Error);
  EXPECT_THROW(WeightSource::shapes_only().as(StoredAs::kQ8_0), Error);
}

}  // namespace
}  // namespace wan
