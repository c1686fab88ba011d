// Tuning tables of matrix products: parsing, choice of the nearest row, and refusal of malformed lines. Needs no
// device.
#include "backend/cuda/tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr const char* kCard = "A card";
constexpr size_t kVersion = 130100;

TuningRow row(int64_t m, uint64_t mark) {
  TuningRow result;
  result.key = {.in = DType::kBF16, .out = DType::kBF16, .activation = Activation::kGeluTanh, .m = m, .n = 64, .k = 32};
  result.algorithm[0] = mark;
  result.algorithm[7] = ~mark;
  return result;
}

std::string text(std::initializer_list<TuningRow> rows) {
  std::string all = "# a comment\n\n";
  for (const TuningRow& r : rows) all += format_row(kCard, kVersion, r) + "\n";
  return all;
}

TEST(TuningTable, ReadsBackWhatItWrites) {
  const TuningRow written = row(1000, 0x0123456789abcdef);
  const TuningTable table(text({written}), kCard, kVersion);
  const TuningRow* found = table.find(written.key);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->algorithm, written.algorithm);
}

TEST(TuningTable, TakesTheNearestRowsWithinAFactorOfTwo) {
  const TuningTable table(text({row(1000, 1), row(3000, 2)}), kCard, kVersion);
  EXPECT_EQ(table.find(row(1500, 0).key)->algorithm[0], 1u);
  EXPECT_EQ(table.find(row(1800, 0).key)->algorithm[0], 2u);  // 3000 / 1800 < 1800 / 1000
  EXPECT_EQ(table.find(row(501, 0).key)->algorithm[0], 1u);
  EXPECT_EQ(table.find(row(499, 0).key), nullptr);
  EXPECT_EQ(table.find(row(6100, 0).key), nullptr);
}

TEST(TuningTable, KeepsProductsApart) {
  const TuningTable table(text({row(1000, 1)}), kCard, kVersion);
  TuningKey other = row(1000, 0).key;
  other.activation = Activation::kNone;
  EXPECT_EQ(table.find(other), nullptr);
  other = row(1000, 0).key;
  other.out = DType::kF32;
  EXPECT_EQ(table.find(other), nullptr);
  other = row(1000, 0).key;
  other.bias = false;
  EXPECT_EQ(table.find(other), nullptr);
  other = row(1000, 0).key;
  other.n = 65;
  EXPECT_EQ(table.find(other), nullptr);
}

TEST(TuningTable, LeavesOtherCardsAndVersionsAlone) {
  const std::string content = text({row(1000, 1)});
  EXPECT_EQ(TuningTable(content, "Another card", kVersion).find(row(1000, 0).key), nullptr);
  EXPECT_EQ(TuningTable(content, kCard, kVersion + 1).find(row(1000, 0).key), nullptr);
}

std::string error_of(const std::string& content) {
  try {
    const TuningTable table(content, kCard, kVersion);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(TuningTable, NamesTheMalformedLine) {
  const std::string good = format_row(kCard, kVersion, row(1000, 1));
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string changed = good;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos);
    return "# one\n" + good + "\n" + changed.replace(at, from.size(), to) + "\n";
  };
  EXPECT_EQ(error_of("# one\n" + good + "\n"), "no error");
  EXPECT_THAT(error_of(with("\t", " ")), testing::HasSubstr("line 3: expected 11 columns"));
  EXPECT_THAT(error_of(with("gelu_tanh", "relu")), testing::HasSubstr("line 3: expected none, gelu_tanh or silu"));
  EXPECT_THAT(error_of(with("BF16", "F16")), testing::HasSubstr("line 3: expected BF16 or F32"));
  EXPECT_THAT(error_of(with("\t1000\t", "\t-1\t")), testing::HasSubstr("line 3: expected positive M"));
  EXPECT_THAT(error_of(with("\t1000\t", "\t1e3\t")), testing::HasSubstr("line 3: expected M"));
  EXPECT_THAT(error_of(with("0000000000000001", "000000000000001")), testing::HasSubstr("128 hexadecimal digits"));
  EXPECT_THAT(error_of(with("0000000000000001", "000000000000000g")), testing::HasSubstr("hexadecimal digits"));
}

TEST(TuningTable, ShippedTableHasEveryProductOfAStepOnEveryCardItNames) {
  for (const char* card : {"NVIDIA H100 80GB HBM3", "NVIDIA H200"}) {
    const TuningTable table(builtin_tuning_table(), card, 130100);
    for (const auto& [m, d, ffn, qkv] :
         {std::array<int64_t, 4>{36080, 3072, 14336, 9216}, {32760, 5120, 13824, 15360}}) {
      EXPECT_NE(table.find({.m = m, .n = qkv, .k = d}), nullptr) << card;
      EXPECT_NE(table.find({.m = m, .n = d, .k = d}), nullptr) << card;
      EXPECT_NE(table.find({.activation = Activation::kGeluTanh, .m = m, .n = ffn, .k = d}), nullptr) << card;
      EXPECT_NE(table.find({.m = m, .n = d, .k = ffn}), nullptr) << card;
    }
  }
}

}  // namespace
}  // namespace wan::cuda
