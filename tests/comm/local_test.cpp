#include "comm/local.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <numeric>
#include <string>
#include <vector>

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;

/// A clock that moves when a test says so.
struct Clock {
  std::atomic<int64_t> now{0};
  LocalOptions options(int64_t timeout_s = 60) {
    LocalOptions options;
    options.timeout_ns = timeout_s * kSecond;
    options.now = [this] { return now.load(); };
    options.watch = LocalOptions::Watch::kCaller;
    return options;
  }
};

std::string failure_of(LocalRanks& ranks, const std::function<void(Communicator&)>& body) {
  try {
    ranks.run(body);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing failed";
}

/// value of element i that `from` has for `to`.
float sent_value(int from, int to, int64_t i) {
  return static_cast<float>(1000 * from + 100 * to) + static_cast<float>(i);
}

class LocalRanksOf : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Sizes, LocalRanksOf, testing::Values(1, 2, 3, 4, 6));

/// Rank r has 3 r + 1 rows, and of each column block of 5 sends its own rows: lengths are odd and differ.
TEST_P(LocalRanksOf, AllToAllTransposesUnequalShards) {
  const int size = GetParam();
  constexpr int64_t kWidth = 5;
  const auto rows_of = [](int rank) { return int64_t{3} * rank + 1; };
  const auto first_of = [&](int rank) {
    int64_t first = 0;
    for (int r = 0; r < rank; ++r) first += rows_of(r);
    return first;
  };
  LocalRanks ranks(size);
  ranks.run([&](Communicator& comm) {
    const int rank = comm.rank();
    ASSERT_EQ(comm.size(), size);
    const Tensor mine = host_tensor(DType::kF32, {rows_of(rank), size * kWidth});
    const Tensor all = host_tensor(DType::kF32, {first_of(size), kWidth});
    for (int64_t l = 0; l < rows_of(rank); ++l)
      for (int to = 0; to < size; ++to)
        for (int64_t c = 0; c < kWidth; ++c)
          mine->as<float>()[l * size * kWidth + to * kWidth + c] = sent_value(rank, to, l * kWidth + c);
    std::vector<TensorView> to, from;
    for (int r = 0; r < size; ++r) {
      to.push_back(mine.view().slice(1, r * kWidth, (r + 1) * kWidth));
      from.push_back(all.view().slice(0, first_of(r), first_of(r + 1)));
    }
    for (int again = 0; again < 3; ++again) {
      std::fill_n(all->as<float>(), all->count(), -1.0f);
      comm.all_to_all(to, from, "there");
      for (int r = 0; r < size; ++r)
        for (int64_t i = 0; i < rows_of(r) * kWidth; ++i)
          ASSERT_EQ(all->as<float>()[first_of(r) * kWidth + i], sent_value(r, rank, i)) << "from " << r << " at " << i;
      const Tensor back = host_tensor(DType::kF32, {rows_of(rank), size * kWidth});
      std::vector<TensorView> returned;
      for (int r = 0; r < size; ++r) returned.push_back(back.view().slice(1, r * kWidth, (r + 1) * kWidth));
      comm.all_to_all(from, returned, "back");
      for (int64_t i = 0; i < back->count(); ++i) ASSERT_EQ(back->as<float>()[i], mine->as<float>()[i]) << i;
    }
  });
}

TEST_P(LocalRanksOf, AllGatherHaloAndBroadcastBringWhatOthersHave) {
  const int size = GetParam();
  LocalRanks ranks(size);
  ranks.run([&](Communicator& comm) {
    const int rank = comm.rank();
    std::vector<int32_t> values(static_cast<size_t>(size), -1);
    values[static_cast<size_t>(rank)] = 10 + rank;
    std::vector<TensorView> all;
    for (int32_t& value : values) all.emplace_back(&value, DType::kI32, Shape{1}, Memory::kHost);
    comm.all_gather(all[static_cast<size_t>(rank)], all, "gather");
    for (int r = 0; r < size; ++r) ASSERT_EQ(values[static_cast<size_t>(r)], 10 + r);

    std::array<int32_t, 2> edges{100 + rank, 200 + rank}, beyond{-1, -1};
    const auto view = [](int32_t& value) { return TensorView(&value, DType::kI32, {1}, Memory::kHost); };
    const bool is_first = rank == 0, is_last = rank + 1 == size;
    const TensorView none;
    comm.exchange_halo({is_first ? none : view(edges[0]), is_last ? none : view(edges[1]),
                        is_first ? none : view(beyond[0]), is_last ? none : view(beyond[1])},
                       "halo");
    ASSERT_EQ(beyond[0], is_first ? -1 : 200 + rank - 1);
    ASSERT_EQ(beyond[1], is_last ? -1 : 100 + rank + 1);

    const int root = size - 1;
    int64_t told = rank == root ? 42 : 0;
    comm.broadcast_host(std::as_writable_bytes(std::span(&told, 1)), root, "broadcast");
    ASSERT_EQ(told, 42);
    comm.barrier("end");
    ASSERT_EQ(comm.progress()[static_cast<size_t>(rank)].entered, 4u);
  });
}

TEST(LocalRanks, SplitMakesGroupsThatMeetApart) {
  LocalRanks ranks(6);
  ranks.run([](Communicator& comm) {
    const int colour = comm.rank() % 2;
    const auto group = comm.split(colour);
    ASSERT_EQ(group->size(), 3);
    ASSERT_EQ(group->rank(), comm.rank() / 2);
    // As often as the colour says: groups do not wait for one another.
    for (int again = 0; again < 1 + 2 * colour; ++again) {
      int32_t sum = comm.rank();
      group->broadcast_host(std::as_writable_bytes(std::span(&sum, 1)), 2, "colour");
      ASSERT_EQ(sum, 4 + colour);
    }
    comm.barrier("end");
  });
}

TEST(LocalRanks, NamesTheRankThatThrowsAndReleasesTheOthers) {
  LocalRanks ranks(3);
  std::atomic<int> released = 0;
  const std::string failure = failure_of(ranks, [&](Communicator& comm) {
    comm.barrier("first");
    comm.barrier("second");
    if (comm.rank() == 1) throw Error("a weight is damaged");
    try {
      comm.barrier("third");
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("rank 1 of 3 has failed"));
      ++released;
      throw;
    }
  });
  EXPECT_EQ(failure, "rank 1 of 3, after second, behind its 2nd collective: a weight is damaged");
  EXPECT_EQ(released, 2);
}

TEST(LocalRanks, ReleasesAGroupThatTheFailedRankIsNotIn) {
  LocalRanks ranks(4);
  const std::string failure = failure_of(ranks, [](Communicator& comm) {
    const auto group = comm.split(comm.rank() / 2);
    if (comm.rank() == 3) throw Error("broken");
    if (comm.rank() == 0) group->barrier("only rank 0 comes");
    if (comm.rank() == 1) comm.barrier("only rank 1 comes");
  });
  EXPECT_THAT(failure, AllOf(HasSubstr("rank 3 of 4"), HasSubstr("broken")));
}

TEST(LocalRanks, KeepsWhatAnErrorIs) {
  LocalRanks ranks(2);
  try {
    ranks.run([](Communicator& comm) {
      if (comm.rank() == 1) throw OutOfMemory("latent", 300, 200, "ask for less");
      comm.barrier("wait");
    });
    FAIL() << "did not throw";
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(error.what_for(), "rank 1 of 2, before its first collective: latent");
    EXPECT_EQ(error.requested_bytes(), 300u);
    EXPECT_EQ(error.advice(), "ask for less");
  }
  LocalRanks others(2);
  const std::string failure = failure_of(others, [](Communicator& comm) {
    if (comm.rank() == 1) throw Error(ErrorKind::kUsage, "--size: too large");
    comm.barrier("wait");
  });
  EXPECT_EQ(failure, "--size: too large");
}

TEST(LocalRanks, PassesOnWhatIsNoErrorOfOurs) {
  LocalRanks ranks(2);
  EXPECT_THROW(ranks.run([](Communicator& comm) {
    if (comm.rank() == 0) throw std::out_of_range("of a consumer");
    comm.barrier("wait");
  }),
               std::out_of_range);
}

TEST(LocalRanks, AbortFailsTheRankThatCalls) {
  LocalRanks ranks(2);
  const std::string failure = failure_of(ranks, [](Communicator& comm) {
    if (comm.rank() == 0) comm.abort("the latents differ");
    comm.barrier("never");
  });
  EXPECT_EQ(failure, "rank 0 of 2, before its first collective: the latents differ");
}

TEST(LocalRanks, RefusesCollectivesThatDoNotMatch) {
  LocalRanks names(2);
  EXPECT_THAT(failure_of(names, [](Communicator& comm) { comm.barrier(comm.rank() == 0 ? "q" : "k"); }),
              HasSubstr("where others of its group are in"));
  LocalRanks shapes(2);
  EXPECT_THAT(failure_of(shapes,
                         [](Communicator& comm) {
                           std::array<std::byte, 8> bytes{};
                           comm.broadcast_host(std::span(bytes).first(comm.rank() == 0 ? 8u : 4u), 0, "plan");
                         }),
              AllOf(HasSubstr("rank 1 of 2"), HasSubstr("plan: rank 0 of the group sends U8 [8], and U8 [4]")));
}

/// Waits until the progress is as wanted, which other threads see to.
void await(LocalRanks& ranks, const std::function<bool(const std::vector<Progress>&)>& is_so) {
  while (!is_so(ranks.progress())) std::this_thread::yield();
}

TEST(LocalRanks, NamesTheRankThatStandsStill) {
  Clock clock;
  LocalRanks ranks(3, clock.options(60));
  std::promise<void> wakes;
  const auto waits = [&](const std::vector<Progress>& all) {
    return all[0].state == Progress::State::kWaiting && all[0].entered == 2 &&
           all[1].state == Progress::State::kWaiting && all[1].entered == 2;
  };
  std::thread watcher([&] {
    await(ranks, waits);
    clock.now = 59 * kSecond;
    ranks.check();
    EXPECT_EQ(ranks.progress()[0].state, Progress::State::kWaiting);  // not yet
    clock.now = 60 * kSecond;
    ranks.check();
    wakes.set_value();
  });
  const std::string failure = failure_of(ranks, [&](Communicator& comm) {
    comm.barrier("qkv");
    if (comm.rank() == 2) wakes.get_future().wait();
    comm.barrier("head");
  });
  watcher.join();
  EXPECT_EQ(failure,
            "rank 2 of 3 stands still for 60.0 s: rank 2 after qkv, behind its 1st collective; waited for by rank 0 in "
            "head, rank 1 in head");
}

TEST(LocalRanks, ARankThatAdvancesDoesNotStandStill) {
  Clock clock;
  LocalRanks ranks(2, clock.options(60));
  std::promise<void> wakes;
  std::thread watcher([&] {
    await(ranks, [](const auto& all) { return all[0].state == Progress::State::kWaiting && all[1].what == "layer 7"; });
    clock.now = 100 * kSecond;  // 60 after that layer
    ranks.check();
    wakes.set_value();
  });
  const std::string failure = failure_of(ranks, [&](Communicator& comm) {
    if (comm.rank() == 1) {
      clock.now = 41 * kSecond;
      comm.advance("layer 7");
      wakes.get_future().wait();
    }
    comm.barrier("text rows");
  });
  watcher.join();
  EXPECT_EQ(failure, "nothing failed");
}

TEST(LocalRanks, NamesRanksThatWaitForOneThatHasEnded) {
  Clock clock;
  LocalRanks ranks(2, clock.options(60));
  std::thread watcher([&] {
    await(ranks, [](const auto& all) {
      return all[0].state == Progress::State::kWaiting && all[1].state == Progress::State::kEnded;
    });
    clock.now = 61 * kSecond;
    ranks.check();
  });
  const std::string failure = failure_of(ranks, [](Communicator& comm) {
    if (comm.rank() == 0) comm.barrier("alone");
  });
  watcher.join();
  EXPECT_EQ(failure,
            "ranks wait for rank 1 of 2, which has ended before its first collective, for 61.0 s: rank 0 in alone");
}

TEST(LocalRanks, NameTheStageThatARankWasIn) {
  LocalRanks ranks(2);
  const std::string failure = failure_of(ranks, [](Communicator& comm) {
    comm.enter_stage("T5_Encoding");
    comm.barrier("text");
    comm.enter_stage("Step_0_Inference");
    if (comm.rank() == 1) throw Error("a weight is damaged");
    comm.barrier("qkv");
  });
  EXPECT_EQ(failure, "rank 1 of 2, in Step_0_Inference, after text, behind its 1st collective: a weight is damaged");
}

TEST(LocalRanks, TellAHookEveryCollectiveBeforeItIsEntered) {
  LocalOptions options;
  options.on_enter = [](int rank, uint64_t number, const char* name) {
    if (rank == 1 && number == 2) throw Error(std::string("made to fail before ") + name);
  };
  LocalRanks ranks(2, options);
  const std::string failure = failure_of(ranks, [](Communicator& comm) {
    comm.barrier("first");
    comm.barrier("second");
  });
  EXPECT_EQ(failure, "rank 1 of 2, after first, behind its 1st collective: made to fail before second");
}

TEST(LocalRanks, ARankThatLeavesIsNoFailureOfItsOwn) {
  LocalRanks ranks(2);
  ranks.run([](Communicator& comm) {
    comm.barrier("all");
    if (comm.rank() == 1) throw RankLeaves{};
  });
}

TEST(LocalRanks, NobodyWaitsIsNoFailure) {
  Clock clock;
  LocalRanks ranks(2, clock.options(60));
  ranks.run([&](Communicator& comm) {
    comm.barrier("first");
    if (comm.rank() == 0) clock.now = 1000 * kSecond;
    ranks.check();
  });
}

TEST(LocalRanks, SaysThatARankIsStuckOnceItHadTimeToEnd) {
  Clock clock;
  LocalOptions options = clock.options(60);
  std::vector<std::string> told;
  options.on_stuck = [&](const Error& error) { told.push_back(error.what()); };
  LocalRanks ranks(2, options);
  std::promise<void> wakes;
  std::thread watcher([&] {
    await(ranks, [](const auto& all) { return all[0].state == Progress::State::kWaiting; });
    clock.now = 60 * kSecond;
    ranks.check();
    await(ranks, [](const auto& all) { return all[0].state == Progress::State::kEnded; });
    clock.now = 60 * kSecond + kStillGraceNs - 1;
    ranks.check();
    EXPECT_TRUE(told.empty());
    clock.now = 60 * kSecond + kStillGraceNs;
    ranks.check();
    ranks.check();
    EXPECT_EQ(told.size(), 1u);
    wakes.set_value();
  });
  const std::string failure = failure_of(ranks, [&](Communicator& comm) {
    if (comm.rank() == 1) wakes.get_future().wait();
    comm.barrier("step");
  });
  watcher.join();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told.front(), failure);
  EXPECT_THAT(failure, HasSubstr("rank 1 of 2 stands still"));
}

TEST(LocalRanks, TheWatchdogFindsIt) {
  LocalOptions options;
  options.timeout_ns = 1;
  LocalRanks ranks(2, options);
  std::promise<void> wakes;
  std::thread waker([&] {
    await(ranks, [](const auto& all) { return all[0].state == Progress::State::kEnded; });
    wakes.set_value();
  });
  const std::string failure = failure_of(ranks, [&](Communicator& comm) {
    if (comm.rank() == 1) wakes.get_future().wait();
    comm.barrier("step");
  });
  waker.join();
  EXPECT_THAT(failure, HasSubstr("rank 1 of 2 stands still"));
}

}  // namespace
}  // namespace wan
