#include "pipeline/copy_time.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

TEST(CopyTime, CopiesNobodyWaitedForAreHidden) { EXPECT_EQ(hidden_copy_ns({{0, 10}, {20, 25}}, {}), 15); }

TEST(CopyTime, OverlappingCopiesCountOnce) { EXPECT_EQ(hidden_copy_ns({{5, 15}, {0, 10}, {12, 13}}, {}), 15); }

TEST(CopyTime, WhatTheDeviceWaitedForIsNotHidden) {
  EXPECT_EQ(hidden_copy_ns({{0, 10}, {20, 30}}, {{8, 22}}), 16);
  EXPECT_EQ(hidden_copy_ns({{0, 10}}, {{0, 10}}), 0);
  EXPECT_EQ(hidden_copy_ns({{0, 10}}, {{2, 4}, {3, 5}}), 7);  // waits that overlap are taken off once
}

TEST(CopyTime, NothingIsHiddenWhereNothingWasCopied) {
  EXPECT_EQ(hidden_copy_ns({}, {{0, 10}}), 0);
  EXPECT_EQ(hidden_copy_ns({{10, 3}, {4, 4}}, {}), 0);
}

}  // namespace
}  // namespace wan
