// The rules of a job's life, by times that are made up.
#include "serve/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace wan::serve {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(JobRules, AKilledJobIsStartedOnceMoreAndThenFails) {
  EXPECT_EQ(after_kill(1, false), JobState::kQueued);
  EXPECT_EQ(after_kill(2, false), JobState::kFailed);
  EXPECT_EQ(after_kill(1, true), JobState::kCancelled);
  EXPECT_EQ(after_kill(2, true), JobState::kCancelled);
}

TEST(JobRules, AgeTakesWhatIsTooOldAndNothingElse) {
  const std::vector<Kept> jobs{{"young", 900, 1}, {"old", 100, 1}, {"edge", 500, 1}};
  EXPECT_THAT(outlived(jobs, {.age_ms = 500, .bytes = {}}, 1000), ElementsAre("old", "edge"));
  EXPECT_THAT(outlived(jobs, {.age_ms = 901, .bytes = {}}, 1000), IsEmpty());
  EXPECT_THAT(outlived(jobs, {}, 1'000'000), IsEmpty());
}

TEST(JobRules, SizeTakesTheOldestUntilTheOthersFit) {
  const std::vector<Kept> jobs{{"c", 3, 40}, {"a", 1, 10}, {"b", 2, 30}};
  EXPECT_THAT(outlived(jobs, {.age_ms = {}, .bytes = 80}, 10), IsEmpty());
  EXPECT_THAT(outlived(jobs, {.age_ms = {}, .bytes = 79}, 10), ElementsAre("a"));
  EXPECT_THAT(outlived(jobs, {.age_ms = {}, .bytes = 69}, 10), ElementsAre("a", "b"));
  EXPECT_THAT(outlived(jobs, {.age_ms = {}, .bytes = 0}, 10), ElementsAre("a", "b", "c"));
}

TEST(JobRules, AnIdIsNoPathAndNobodysElse) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(new_job_id());
  EXPECT_EQ(ids.size(), 1000u);
  for (const std::string& id : ids) EXPECT_TRUE(is_job_id(id)) << id;
  for (const char* text : {"", "video_", "../../etc/passwd", "video_0123456789abcdef0123456789abcdeF",
                           "video_0123456789abcdef0123456789abcde", "video_0123456789abcdef0123456789abcde/",
                           "Video_0123456789abcdef0123456789abcdef"})
    EXPECT_FALSE(is_job_id(text)) << text;
}

}  // namespace
}  // namespace wan::serve
