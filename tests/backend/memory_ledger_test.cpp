#include "backend/memory_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/error.h"

namespace wan {
namespace {

TEST(MemoryLedger, CountsWhatIsHeldAndTheMostSinceItWasAsked) {
  MemoryLedger ledger;
  ledger.take(100, "test");
  ledger.take(50, "test");
  ledger.give_back(100);
  ledger.take(20, "test");
  EXPECT_EQ(ledger.now(), 70u);
  EXPECT_EQ(ledger.peak_since_last(), 150u);
  EXPECT_EQ(ledger.peak_since_last(), 70u) << "what is held still counts, what was before does not";
  ledger.take(5, "test");
  ledger.give_back(75);
  EXPECT_EQ(ledger.peak_since_last(), 75u);
  EXPECT_EQ(ledger.now(), 0u);
}

constexpr uint64_t kMiB = uint64_t{1} << 20, kGiB = uint64_t{1} << 30;

bool takes(MemoryLedger& ledger, uint64_t bytes) {
  try {
    ledger.take(bytes, "test");
    return true;
  } catch (const OutOfMemory&) {
    return false;
  }
}

TEST(MemoryLedger, RefusesWhatWouldComeAboveItsLimit) {
  MemoryLedger ledger(MemorySize{2 * kGiB});
  const uint64_t most = 2 * kGiB - kContextBytes;
  ledger.take(most - 4 * kMiB, "test");
  EXPECT_TRUE(takes(ledger, 4 * kMiB)) << "to the last byte";
  try {
    ledger.take(1, "DiT weights");
    ADD_FAILURE() << "above the limit";
  } catch (const OutOfMemory& refusal) {
    EXPECT_EQ(refusal.requested_bytes(), 1u);
    EXPECT_EQ(refusal.free_bytes(), 0u);
    EXPECT_THAT(refusal.what(), testing::HasSubstr("DiT weights, within --gpu-memory-limit 2GiB (560 MiB of it"));
  }
  EXPECT_EQ(ledger.now(), most) << "what is refused is not taken";
  EXPECT_EQ(ledger.peak_since_last(), most);
  ledger.give_back(4 * kMiB);
  EXPECT_FALSE(takes(ledger, 6 * kMiB));
  EXPECT_TRUE(takes(ledger, 4 * kMiB)) << "given back, it is there again";
}

TEST(MemoryLedger, CountsTowardsItsLimitAsTheDriverDoes) {
  EXPECT_EQ(driver_bytes(100), 100u);
  EXPECT_EQ(driver_bytes(kMiB), 2 * kMiB);
  EXPECT_EQ(driver_bytes(2 * kMiB), 2 * kMiB);
  EXPECT_EQ(driver_bytes(2 * kMiB + 1), 4 * kMiB);
  MemoryLedger ledger(MemorySize{kContextBytes + 8 * kMiB});
  ledger.take(3 * kMiB, "test");
  ledger.take(3 * kMiB, "test");
  EXPECT_EQ(ledger.now(), 6 * kMiB) << "the engine's own count stays exact";
  EXPECT_FALSE(takes(ledger, 1)) << "the driver holds 8 MiB for them";
}

TEST(MemoryLedger, HasNothingWithinALimitThatTheDriverFills) {
  MemoryLedger ledger(MemorySize{kContextBytes - 1});
  EXPECT_FALSE(takes(ledger, 1));
}

TEST(MemoryLedger, RefusesAmongThreadsAsAlone) {
  constexpr uint64_t kBlocks = 64;
  MemoryLedger ledger(MemorySize{kContextBytes + kBlocks * 2 * kMiB});
  std::atomic<uint64_t> taken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (uint64_t block = 0; block < kBlocks; ++block) taken += takes(ledger, 2 * kMiB) ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, kBlocks) << "all of the limit and no more";
  EXPECT_EQ(ledger.now(), kBlocks * 2 * kMiB);
}

}  // namespace
}  // namespace wan
