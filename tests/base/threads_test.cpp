// Work split among threads covers everything once, keeps order where promised, and passes exceptions on.
#include "base/threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace wan {
namespace {

TEST(ForChunks, CoversEveryIndexOnce) {
  for (const int64_t count : {0, 1, 63, 64, 65, 1000}) {
    std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
    for_chunks(count, 64, [&](int64_t begin, int64_t end) {
      EXPECT_LE(end - begin, 64);
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (int64_t i = 0; i < count; ++i) EXPECT_EQ(visits[static_cast<size_t>(i)], 1) << i << " of " << count;
  }
}

TEST(ForChunks, RethrowsWhatARangeThrew) {
  const auto fail_at = [](int64_t bad) {
    for_chunks(100, 1, [bad](int64_t begin, int64_t) {
      if (begin == bad) throw std::runtime_error("range " + std::to_string(begin));
    });
  };
  EXPECT_NO_THROW(fail_at(100));
  for (const int64_t bad : {0, 50, 99}) EXPECT_THROW(fail_at(bad), std::runtime_error) << bad;
}

void put_index(int64_t index, std::vector<std::byte>& out) {
  out.resize(static_cast<size_t>(index % 5) + sizeof index);  // sizes differ from one user of a buffer to the next
  std::memcpy(out.data(), &index, sizeof index);
}

TEST(ProduceInOrder, ConsumesEveryResultInOrder) {
  for (const int64_t count : {0, 1, 2, 500}) {
    int64_t expected = 0;
    produce_in_order(count, 5, put_index, [&](int64_t index, std::span<const std::byte> bytes) {
      int64_t content = -1;
      ASSERT_EQ(bytes.size(), static_cast<size_t>(index % 5) + sizeof content);
      std::memcpy(&content, bytes.data(), sizeof content);
      EXPECT_EQ(index, expected++);
      EXPECT_EQ(content, index);
    });
    EXPECT_EQ(expected, count);
  }
}

TEST(ProduceInOrder, AFailureOnEitherSideEndsIt) {
  const auto nothing = [](int64_t, std::span<const std::byte>) {};
  const auto bad_producer = [](int64_t index, std::vector<std::byte>& out) {
    if (index == 7) throw std::runtime_error("no result 7");
    put_index(index, out);
  };
  EXPECT_THROW(produce_in_order(500, 3, bad_producer, nothing), std::runtime_error);
  int64_t consumed = 0;
  const auto bad_consumer = [&](int64_t index, std::span<const std::byte>) {
    if (index == 7) throw std::logic_error("disk full");
    ++consumed;
  };
  EXPECT_THROW(produce_in_order(500, 3, put_index, bad_consumer), std::logic_error);
  EXPECT_EQ(consumed, 7);
}

TEST(RunTogether, TheFirstFailureEndsTheOthersAndIsTheOneReported) {
  std::atomic<int> ended = 0;
  const auto waits = [&](const std::atomic<bool>& failed) {
    while (!failed) std::this_thread::yield();
    ++ended;
    throw std::logic_error("told to end");
  };
  EXPECT_THROW(run_together({waits, [](const std::atomic<bool>&) { throw std::runtime_error("disk full"); }, waits}),
               std::runtime_error);
  EXPECT_EQ(ended, 2);
  EXPECT_NO_THROW(run_together({}));
}

}  // namespace
}  // namespace wan
