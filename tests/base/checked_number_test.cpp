// Numbers at and beyond the ends of their types and bounds, and texts that are almost numbers.
#include "base/checked_number.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

TEST(CheckedNumber, TakesWholeNumbersToTheEndsOfTheirTypes) {
  EXPECT_EQ(checked_number<uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(checked_number<uint64_t>("0"), 0u);
  EXPECT_EQ(checked_number<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(checked_number<int>("2147483647"), INT32_MAX);
  EXPECT_FALSE(checked_number<uint64_t>("18446744073709551616"));
  EXPECT_FALSE(checked_number<uint64_t>("-1")) << "must not become 2^64 - 1";
  EXPECT_FALSE(checked_number<int>("4294967299")) << "must not become 3";
  EXPECT_FALSE(checked_number<int64_t>("9223372036854775808"));
}

TEST(CheckedNumber, TakesDecimalAloneAndAllOfTheText) {
  for (const char* text : {"", " 5", "5 ", "+5", "0x10", "5x", "5.0", "5e0", "five", "--5", "1,000"}) {
    EXPECT_FALSE(checked_number<int64_t>(text)) << text;
    EXPECT_FALSE(checked_number<uint64_t>(text)) << text;
  }
  EXPECT_EQ(checked_number<int64_t>("010"), 10) << "must not become 8";
  EXPECT_EQ(checked_number<uint64_t>("0020"), 20u);
  EXPECT_EQ(checked_number<int>("-010"), -10);
  for (const char* text : {"", " 5", "+5", "0x1p3", "5,5", "inf", "-inf", "nan", "infinity", "1e400", "five"})
    EXPECT_FALSE(checked_number<double>(text)) << text;
  EXPECT_EQ(checked_number<double>("-1.5e3"), -1500.0);
  EXPECT_EQ(checked_number<double>("5"), 5.0);
}

TEST(CheckedNumber, HoldsBoundsWithBothEnds) {
  const Bounds<int> steps{1, 1000};
  EXPECT_EQ(checked_number<int>("1", steps), 1);
  EXPECT_EQ(checked_number<int>("1000", steps), 1000);
  EXPECT_FALSE(checked_number<int>("0", steps));
  EXPECT_FALSE(checked_number<int>("1001", steps));
  const Bounds<double> share{0.0, 1.0};
  EXPECT_EQ(checked_number<double>("1", share), 1.0);
  EXPECT_FALSE(checked_number<double>("1.0000000001", share));
  EXPECT_FALSE(checked_number<double>("0", kAboveZero));
  EXPECT_TRUE(checked_number<double>("1e-300", kAboveZero));
}

TEST(CheckedNumber, ConvertsReadNumbersWithoutWrapping) {
  EXPECT_FALSE(checked_number<int>(uint64_t{4294967299}));
  EXPECT_FALSE(checked_number<int>(int64_t{-2147483649}));
  EXPECT_FALSE(checked_number<int64_t>(UINT64_MAX));
  EXPECT_FALSE(checked_number<uint64_t>(int64_t{-1}));
  EXPECT_EQ(checked_number<uint64_t>(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(checked_number<double>(int64_t{-5}), -5.0);
  EXPECT_FALSE(checked_number(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(checked_number(std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(checked_number(1.5, Bounds<double>{0, 1}));
}

TEST(CheckedNumber, SaysWhatItExpects) {
  EXPECT_EQ(describe(Bounds<int>{1, 1000}), "a whole number from 1 to 1000");
  EXPECT_EQ(describe(Bounds<int64_t>{}), "a whole number");
  EXPECT_EQ(describe(Bounds<uint64_t>{}), "a whole number from 0 to 18446744073709551615");
  EXPECT_EQ(describe(Bounds<double>{}), "a number");
  EXPECT_EQ(describe(Bounds<double>{0, 1}), "a number from 0 to 1");
  EXPECT_EQ(describe(kAboveZero), "a number above 0");
}

}  // namespace
}  // namespace wan
