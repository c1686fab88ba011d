#include "backend/memory_ledger.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

TEST(MemoryLedger, CountsWhatIsHeldAndTheMostSinceItWasAsked) {
  MemoryLedger ledger;
  ledger.take(100);
  ledger.take(50);
  ledger.give_back(100);
  ledger.take(20);
  EXPECT_EQ(ledger.now(), 70u);
  EXPECT_EQ(ledger.peak_since_last(), 150u);
  EXPECT_EQ(ledger.peak_since_last(), 70u) << "what is held still counts, what was before does not";
  ledger.take(5);
  ledger.give_back(75);
  EXPECT_EQ(ledger.peak_since_last(), 75u);
  EXPECT_EQ(ledger.now(), 0u);
}

}  // namespace
}  // namespace wan
