// What is kept comes back as it was and only under its own key; the bounds hold.
#include "pipeline/prompt_cache.h"

#include <gtest/gtest.h>

#include <functional>

namespace wan {
namespace {

constexpr uint64_t kAmple = uint64_t{1} << 20;

Tensor rows_of(float value, int64_t rows = 2) {
  return host_tensor(std::vector<float>(static_cast<size_t>(rows * 4), value), {rows, 4});
}

PromptKey key_of(int32_t id) { return {"encoder", DType::kF32, {id, 1}}; }

/// The value that `rows_of` was given; 0 for none.
float found(PromptCache& cache, const PromptKey& key) {
  const Tensor rows = cache.find(key);
  return rows.empty() ? 0 : rows->as<float>()[0];
}

TEST(PromptCache, GivesBackACopyOfWhatItKept) {
  PromptCache cache(2, kAmple);
  Tensor rows = rows_of(7, 3);
  cache.keep(key_of(5), rows);
  rows->as<float>()[0] = 8;
  const Tensor kept = cache.find(key_of(5));
  ASSERT_EQ(kept->shape, (Shape{3, 4}));
  for (int64_t i = 0; i < kept->count(); ++i) EXPECT_EQ(kept->as<float>()[i], 7);
  kept->as<float>()[0] = 9;
  EXPECT_EQ(found(cache, key_of(5)), 7);
}

TEST(PromptCache, EveryPartOfTheKeyCounts) {
  PromptCache cache(8, kAmple);
  cache.keep(key_of(5), rows_of(7));
  const std::function<void(PromptKey&)> changes[] = {
      [](PromptKey& key) { key.encoder = "another"; },
      [](PromptKey& key) { key.compute = DType::kBF16; },
      [](PromptKey& key) { key.ids.push_back(1); },
      [](PromptKey& key) { key.ids[0] = 6; },
  };
  for (const auto& change : changes) {
    PromptKey key = key_of(5);
    EXPECT_EQ(found(cache, key), 7);
    change(key);
    EXPECT_EQ(found(cache, key), 0);
  }
}

TEST(PromptCache, WhatWasUsedLongestAgoMakesRoom) {
  PromptCache cache(2, kAmple);
  cache.keep(key_of(5), rows_of(5));
  cache.keep(key_of(6), rows_of(6));
  EXPECT_EQ(found(cache, key_of(5)), 5);
  cache.keep(key_of(7), rows_of(7));
  EXPECT_EQ(cache.prompts(), 2);
  EXPECT_EQ(found(cache, key_of(6)), 0);
  EXPECT_EQ(found(cache, key_of(5)), 5);
  EXPECT_EQ(found(cache, key_of(7)), 7);
}

TEST(PromptCache, KeepsAtMostItsBytes) {
  PromptCache ample(100, kAmple);
  ample.keep(key_of(5), rows_of(5));
  const uint64_t one = ample.bytes();
  EXPECT_GE(one, rows_of(5)->bytes());
  PromptCache cache(100, 2 * one);
  for (int32_t id : {5, 6, 7}) cache.keep(key_of(id), rows_of(static_cast<float>(id)));
  EXPECT_EQ(cache.prompts(), 2);
  EXPECT_EQ(cache.bytes(), 2 * one);
  EXPECT_EQ(found(cache, key_of(5)), 0);
  cache.keep(key_of(8), rows_of(8, 1000));
  EXPECT_LE(cache.bytes(), 2 * one);
  EXPECT_EQ(found(cache, key_of(8)), 0) << "too large alone";
}

TEST(PromptCache, KeepingAgainCountsOnce) {
  PromptCache cache(4, kAmple);
  cache.keep(key_of(5), rows_of(5));
  const uint64_t one = cache.bytes();
  cache.keep(key_of(5), rows_of(6));
  EXPECT_EQ(cache.bytes(), one);
  EXPECT_EQ(cache.prompts(), 1);
  EXPECT_EQ(found(cache, key_of(5)), 6);
}

}  // namespace
}  // namespace wan
