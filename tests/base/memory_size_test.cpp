#include "base/memory_size.h"

#include <gtest/gtest.h>

#include <limits>

namespace wan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20, kGiB = uint64_t{1} << 30;

uint64_t bytes_of(std::string_view text) { return memory_size(text).value_or(MemorySize{}).bytes; }

TEST(MemorySize, ABareNumberIsGiB) {
  EXPECT_EQ(bytes_of("12"), 12 * kGiB);
  EXPECT_EQ(bytes_of("7.5"), 7 * kGiB + 512 * kMiB);
  EXPECT_EQ(memory_size(12.0), memory_size("12"));
}

TEST(MemorySize, UnitsOf1024AndOf1000AreApart) {
  EXPECT_EQ(bytes_of("12GiB"), 12 * kGiB);
  EXPECT_EQ(bytes_of("16GB"), 16'000'000'000u);
  EXPECT_EQ(bytes_of("16gb"), 16'000'000'000u);
  EXPECT_EQ(bytes_of("1.5e3MiB"), 1500 * kMiB);
  EXPECT_EQ(bytes_of("900MB"), 900'000'000u);
  EXPECT_EQ(bytes_of("12345678B"), 12'345'678u);
  EXPECT_EQ(bytes_of("7.1GiB"), 7'623'566'950u) << "never more than was said";
}

TEST(MemorySize, RefusesWhatIsNoneOrBeyondItsBounds) {
  for (const char* text : {"", "GiB", "12 GiB", "12GiB ", "+12", "-12", "12KiB", "12TB", "0", "0GiB", "1000000B", "nan",
                           "inf", "1e999", "0x10", "12GiBGiB", "1048577GiB"})
    EXPECT_FALSE(memory_size(text)) << text;
  EXPECT_FALSE(memory_size(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(memory_size(-1.0));
  EXPECT_EQ(bytes_of("1MiB"), kMiB);
  EXPECT_EQ(bytes_of("1048576GiB"), uint64_t{1} << 50);
}

TEST(MemorySize, IsWrittenAsItIsReadBack) {
  EXPECT_EQ(memory_size("12")->text(), "12GiB");
  EXPECT_EQ(memory_size("16GB")->text(), "16GB");
  EXPECT_EQ(memory_size("7.5")->text(), "7680MiB");
  EXPECT_EQ(memory_size("900MB")->text(), "900MB");
  for (const char* text : {"12GiB", "16GB", "7.1GiB", "7.5", "12345678B", "1MiB"})
    EXPECT_EQ(memory_size(memory_size(text)->text()), memory_size(text)) << text;
}

}  // namespace
}  // namespace wan
