// The store by itself: what a transaction leaves, also where the program ends between two of them. Times are made up.
#include "serve/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "serve/database.h"
#include "temporary_folder.h"

namespace wan::serve {
namespace {

using testing::ElementsAre;

class JobStoreTest : public testing::Test {
 protected:
  JobStoreTest() { open(); }
  /// As a new server finds it.
  void open() {
    store_.reset();
    store_ = std::make_unique<JobStore>(folder_ / "jobs.sqlite");
  }
  Admitted add(const std::string& id, const std::string& key = "", const std::string& digest = "d") {
    return store_->add({id, "{}", "{}", "cost", key, digest}, ++now_, most_);
  }
  JobState state(const std::string& id) const { return store_->find(id).value().state; }
  std::vector<std::string> listed(const JobFilter& filter) const {
    std::vector<std::string> ids;
    for (const Job& job : store_->list(filter).jobs) ids.push_back(job.id);
    return ids;
  }

  const test::TemporaryFolder folder_;
  std::unique_ptr<JobStore> store_;
  int64_t now_ = 1000, most_ = 100;
};

TEST_F(JobStoreTest, JobsAreBegunInTheirOrderAndOnce) {
  add("a");
  add("b");
  EXPECT_EQ(store_->queued_before(2), 1);
  const Job first = store_->claim(2000).value();
  EXPECT_EQ(first.id, "a");
  EXPECT_EQ(first.state, JobState::kInProgress);
  EXPECT_EQ(first.attempts, 1);
  EXPECT_EQ(first.started_ms, 2000);
  EXPECT_EQ(store_->claim(2001).value().id, "b");
  EXPECT_FALSE(store_->claim(2002).has_value());
}

TEST_F(JobStoreTest, ACompletedJobKeepsItsResultOverARestart) {
  add("a");
  EXPECT_TRUE(store_->complete(store_->claim(2000).value(), R"({"x":1})", 77, 1.5, 3000));
  open();
  EXPECT_EQ(store_->recover(4000), 0);
  const Job job = store_->find("a").value();
  EXPECT_EQ(job.state, JobState::kCompleted);
  EXPECT_EQ(job.result, R"({"x":1})");
  EXPECT_EQ(job.bytes, 77u);
  EXPECT_EQ(job.ended_ms, 3000);
  EXPECT_THAT(store_->service_seconds("cost", 5), ElementsAre(1.5));
}

TEST_F(JobStoreTest, AServerThatWasKilledLeavesItsJobToBeMadeOnceMore) {
  add("a");
  add("b");
  store_->claim(2000);
  open();
  EXPECT_EQ(store_->recover(3000), 1);
  EXPECT_EQ(state("a"), JobState::kQueued);
  EXPECT_EQ(store_->claim(4000).value().id, "a") << "before those that came after it";
  open();
  EXPECT_EQ(store_->recover(5000), 1);
  EXPECT_EQ(state("a"), JobState::kFailed);
  EXPECT_EQ(store_->find("a").value().error.value().code, "worker_killed");
  EXPECT_EQ(state("b"), JobState::kQueued);
}

TEST_F(JobStoreTest, WhatAnEarlierAttemptSaysChangesNothing) {
  add("a");
  const Job first = store_->claim(2000).value();
  EXPECT_TRUE(store_->give_up(first, 2500));
  const Job second = store_->claim(3000).value();
  EXPECT_EQ(second.attempts, 2);
  EXPECT_FALSE(store_->complete(first, "{}", 1, 1, 3500));
  EXPECT_FALSE(store_->fail(first, {"x", "", ""}, 3500));
  EXPECT_FALSE(store_->put_back(first));
  EXPECT_EQ(state("a"), JobState::kInProgress);
  EXPECT_TRUE(store_->complete(second, "{}", 1, 1, 4000));
  EXPECT_FALSE(store_->complete(second, "{}", 1, 1, 4001)) << "no job has two results";
}

TEST_F(JobStoreTest, AServerThatEndsByItselfCostsNoAttempt) {
  add("a");
  EXPECT_TRUE(store_->put_back(store_->claim(2000).value()));
  EXPECT_EQ(state("a"), JobState::kQueued);
  EXPECT_EQ(store_->claim(3000).value().attempts, 1);
}

TEST_F(JobStoreTest, OneKeyIsOneJob) {
  EXPECT_EQ(add("a", "key").how, Admission::kAdded);
  const Admitted again = add("b", "key");
  EXPECT_EQ(again.how, Admission::kSeenBefore);
  EXPECT_EQ(again.job.value().id, "a");
  EXPECT_EQ(add("c", "key", "another").how, Admission::kKeyReused);
  EXPECT_EQ(store_->counts().queued, 1);
  open();
  EXPECT_EQ(add("d", "key").how, Admission::kSeenBefore) << "after a restart too";
  EXPECT_EQ(store_->remove("a"), Removed::kAtOnce);
  EXPECT_EQ(add("e", "key").how, Admission::kSeenBefore) << "what was paid for and deleted is not made again";
  EXPECT_FALSE(add("e", "key").job.has_value());
  store_->forget_keys(1'000'000);
  EXPECT_EQ(add("f", "key").how, Admission::kAdded);
  store_->forget_keys(1'000'000);
  EXPECT_EQ(add("g", "key").how, Admission::kSeenBefore) << "a key lives as long as its job";
}

TEST_F(JobStoreTest, AFullQueueTakesNothingButWhatItKnows) {
  most_ = 2;
  add("a", "key");
  add("b");
  EXPECT_EQ(add("c").how, Admission::kQueueFull);
  EXPECT_EQ(add("d", "key").how, Admission::kSeenBefore);
  store_->claim(2000);
  EXPECT_EQ(add("c").how, Admission::kAdded);
}

TEST_F(JobStoreTest, ACancelledJobIsNotBegun) {
  add("a");
  EXPECT_EQ(store_->cancel("a", 2000), Cancelled::kAtOnce);
  EXPECT_EQ(state("a"), JobState::kCancelled);
  EXPECT_FALSE(store_->claim(2001).has_value());
  EXPECT_EQ(store_->cancel("a", 2002), Cancelled::kWasBefore);
  EXPECT_EQ(store_->cancel("none", 2002), Cancelled::kUnknown);
}

TEST_F(JobStoreTest, ACancellationOutlivesTheServer) {
  add("a");
  store_->claim(2000);
  EXPECT_EQ(store_->cancel("a", 2500), Cancelled::kRequested);
  EXPECT_EQ(state("a"), JobState::kInProgress) << "until its worker has stopped";
  open();
  store_->recover(3000);
  EXPECT_EQ(state("a"), JobState::kCancelled);
  add("b");
  EXPECT_TRUE(store_->complete(store_->claim(3500).value(), "{}", 0, 1, 4000));
  EXPECT_EQ(store_->cancel("b", 5000), Cancelled::kIsOver);
}

TEST_F(JobStoreTest, AJobThatIsRemovedInTheMiddleIsUnseenAndThenGone) {
  add("a");
  const Job attempt = store_->claim(2000).value();
  EXPECT_EQ(store_->remove("a"), Removed::kRequested);
  EXPECT_FALSE(store_->find("a").has_value());
  EXPECT_EQ(store_->counts().in_progress, 0);
  EXPECT_EQ(store_->remove("a"), Removed::kUnknown);
  EXPECT_EQ(store_->cancel("a", 2100), Cancelled::kUnknown);
  EXPECT_THAT(store_->ids(), ElementsAre("a")) << "its files are still being written";
  EXPECT_TRUE(store_->complete(attempt, "{}", 1, 1, 3000));
  EXPECT_TRUE(store_->ids().empty());
  add("b");
  store_->claim(4000);
  store_->remove("b");
  open();
  store_->recover(5000);
  EXPECT_TRUE(store_->ids().empty()) << "after a restart too";
}

TEST_F(JobStoreTest, ListsAreCutIntoPages) {
  for (const char* id : {"a", "b", "c", "d", "e"}) add(id);
  EXPECT_THAT(listed({}), ElementsAre("e", "d", "c", "b", "a"));
  EXPECT_THAT(listed({.after = "", .limit = 2, .newest_first = true}), ElementsAre("e", "d"));
  EXPECT_THAT(listed({.after = "d", .limit = 2, .newest_first = true}), ElementsAre("c", "b"));
  EXPECT_THAT(listed({.after = "b", .limit = 9, .newest_first = false}), ElementsAre("c", "d", "e"));
  EXPECT_TRUE(store_->list({.after = "d", .limit = 2, .newest_first = true}).has_more);
  EXPECT_FALSE(store_->list({.after = "c", .limit = 2, .newest_first = true}).has_more);
  EXPECT_THROW(store_->list({.after = "none", .limit = 2, .newest_first = true}), Error);
}

TEST_F(JobStoreTest, AnotherDatabaseIsLeftAlone) {
  const auto other = folder_ / "other.sqlite";
  {
    Database database(other, Database::Access::kWrite);
    database.run("CREATE TABLE precious (x)");
  }
  EXPECT_THROW(JobStore{other}, Error);
  std::ofstream(folder_ / "text.sqlite") << "this is no database, but a text of some length that says nothing";
  EXPECT_THROW(JobStore{folder_ / "text.sqlite"}, Error);
  store_.reset();
  {
    Database database(folder_ / "jobs.sqlite", Database::Access::kWrite);
    database.run("PRAGMA user_version = 99");
  }
  try {
    open();
    FAIL() << "a later version was opened";
  } catch (const Error& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("version 99"));
  }
}

}  // namespace
}  // namespace wan::serve
