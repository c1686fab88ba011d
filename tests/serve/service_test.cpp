// The service over workers that do what they are told: every way in which a video can end.
#include "serve/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "serve/api_error.h"
#include "serve/video_json.h"
#include "served.h"

namespace wan::serve {
namespace {

using testing::HasSubstr;

class ServiceTest : public testing::Test {
 protected:
  ApiError refusal(const Order& order, const std::string& key = "") {
    try {
      served_.service->submit(order, key);
    } catch (const ApiError& error) {
      return error;
    }
    ADD_FAILURE() << "was taken";
    return {0, "", ""};
  }
  OrderedJson json(const std::string& id) const { return video_json(served_.service->view(id), served_.options); }
  bool is_there(const std::string& id) const { return std::filesystem::exists(served_.service->files().video(id)); }

  Served served_;
};

TEST_F(ServiceTest, AVideoIsMadeAndKnownWithItsNumbers) {
  VideoService& service = served_.start();
  const std::string id = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(id, JobState::kCompleted));
  EXPECT_TRUE(is_there(id));
  const OrderedJson video = json(id);
  EXPECT_EQ(video["status"], "completed");
  EXPECT_EQ(video["progress"], 100);
  EXPECT_EQ(video["prompt"], "ok");
  EXPECT_EQ(video["size"], "32x16");
  EXPECT_EQ(video["step_seconds"], OrderedJson::parse("[0.5, 0.5]"));
  EXPECT_EQ(video["precision_class"], "exact");
  EXPECT_EQ(video["peak_memory_mb"], 5);
  EXPECT_EQ(video["energy_j"], nullptr);
  EXPECT_EQ(video["energy_reason"], "the video was not made on a card");
  EXPECT_EQ(video["price"], nullptr);
  EXPECT_EQ(video["price_reason"], "the server was started without --price-per-hour");
  EXPECT_EQ(video["frames_sha256"], "sha");
  EXPECT_TRUE(test::eventually([&] { return service.totals().completed == 1; })) << "counted soon after it is kept";
  const std::string second = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(second, JobState::kCompleted));
  EXPECT_EQ(service.workers().front().starts, 1) << "one worker makes both";
  EXPECT_GT(served_.changes, 0);
}

TEST_F(ServiceTest, AFailureFailsOneJobWithItsFacts) {
  VideoService& service = served_.start();
  const std::string oom = served_.submit("oom"), failed = served_.submit("fail"), crashed = served_.submit("crash"),
                    good = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(good, JobState::kCompleted));
  EXPECT_EQ(served_.job(oom).error.value(), (JobError{"out_of_memory", "no room (weights)", "ask for less"}));
  EXPECT_EQ(served_.job(failed).error.value().code, "engine_failed");
  const JobError crash = served_.job(crashed).error.value();
  EXPECT_EQ(crash.code, "worker_crashed");
  EXPECT_THAT(crash.message, HasSubstr("signal 6"));
  EXPECT_FALSE(is_there(crashed));
  EXPECT_EQ(served_.job(crashed).attempts, 1);
  EXPECT_EQ(service.totals().failed, 3);
}

TEST_F(ServiceTest, AKilledWorkerIsStartedAgainAndTheJobOnceMore) {
  served_.start();
  const std::string once = served_.submit("killed once"), always = served_.submit("killed"),
                    good = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(good, JobState::kCompleted));
  EXPECT_EQ(served_.job(once).state, JobState::kCompleted);
  EXPECT_EQ(served_.job(once).attempts, 2);
  EXPECT_EQ(served_.job(always).state, JobState::kFailed);
  EXPECT_EQ(served_.job(always).attempts, 2);
  EXPECT_EQ(served_.job(always).error.value().code, "worker_killed");
}

TEST_F(ServiceTest, ACancelledVideoLeavesTheWorkerForTheNext) {
  VideoService& service = served_.start();
  const std::string slow = served_.submit("slow"), queued = served_.submit("ok"), good = served_.submit("ok");
  ASSERT_TRUE(served_.has_begun());
  EXPECT_EQ(service.view(good).queue_position, 2);
  EXPECT_TRUE(test::eventually([&] { return json(slow)["step"] == 1; })) << "heard soon after it was said";
  EXPECT_EQ(json(slow)["steps"], 2);
  EXPECT_TRUE(test::eventually([&] { return json(slow)["preview_step"] == 1; }));
  EXPECT_EQ(read_text(service.files().preview(slow)), "a picture");
  EXPECT_EQ(service.cancel(queued).job.state, JobState::kCancelled);
  EXPECT_EQ(service.view(good).queue_position, 1);
  service.cancel(slow);
  EXPECT_TRUE(served_.becomes(slow, JobState::kCancelled));
  EXPECT_TRUE(served_.becomes(good, JobState::kCompleted));
  EXPECT_FALSE(std::filesystem::exists(service.files().preview(slow)));
  EXPECT_EQ(json(good)["preview_step"], nullptr) << "of one that is over";
  EXPECT_EQ(service.workers().front().starts, 1) << "nothing had to be killed";
  EXPECT_EQ(service.cancel(slow).job.state, JobState::kCancelled) << "once more changes nothing";
  try {
    service.cancel(good);
    FAIL() << "a completed video was cancelled";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 409);
  }
}

TEST_F(ServiceTest, AWorkerThatDoesNotListenIsKilled) {
  VideoService& service = served_.start();
  const std::string deaf = served_.submit("deaf"), good = served_.submit("ok");
  ASSERT_TRUE(served_.has_begun());
  service.cancel(deaf);
  EXPECT_TRUE(served_.becomes(deaf, JobState::kCancelled));
  EXPECT_TRUE(served_.becomes(good, JobState::kCompleted));
  EXPECT_EQ(service.workers().front().starts, 2);
}

TEST_F(ServiceTest, AVideoHasItsPrice) {
  served_.options.price = HourPrice{7200, "EUR"};
  served_.start();
  const std::string id = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(id, JobState::kCompleted));
  const OrderedJson video = json(id);
  EXPECT_DOUBLE_EQ(video["price"].get<double>(), 2 * video["inference_time_s"].get<double>());
  EXPECT_EQ(video["price_currency"], "EUR");
  EXPECT_EQ(video["price_reason"], nullptr);
}

TEST_F(ServiceTest, AWorkerThatSpeaksBetweenOrdersIsHeard) {
  VideoService& service = served_.start();
  const std::string chatty = served_.submit("chatty");
  ASSERT_TRUE(served_.becomes(chatty, JobState::kCompleted));
  EXPECT_TRUE(test::eventually([&] { return std::filesystem::exists(served_.folder / "has-spoken"); }));
  const std::string good = served_.submit("ok");
  EXPECT_TRUE(served_.becomes(good, JobState::kCompleted));
  EXPECT_EQ(service.workers().front().starts, 1);
}

TEST_F(ServiceTest, ADeletedVideoIsGoneWithItsFiles) {
  VideoService& service = served_.start();
  const std::string done = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(done, JobState::kCompleted));
  service.remove(done);
  EXPECT_FALSE(is_there(done));
  EXPECT_THROW(service.view(done), ApiError);
  const std::string running = served_.submit("slow");
  ASSERT_TRUE(served_.has_begun());
  service.remove(running);
  EXPECT_THROW(service.view(running), ApiError);
  const std::string next = served_.submit("ok");
  EXPECT_TRUE(served_.becomes(next, JobState::kCompleted)) << "the worker was freed";
  EXPECT_THROW(service.remove(running), ApiError);
}

TEST_F(ServiceTest, TheQueueAndTheDiskAreBounded) {
  served_.start();
  served_.submit("slow");
  ASSERT_TRUE(served_.has_begun());
  for (int64_t i = 0; i < served_.options.most_queued; ++i) served_.submit("ok", std::to_string(i));
  EXPECT_EQ(refusal(served_.order("ok")).status(), 429);
  EXPECT_FALSE(served_.service->submit(served_.order("ok"), "0").is_new) << "what is known is answered all the same";
  served_.options.least_free_bytes = UINT64_MAX;
  served_.start();
  EXPECT_EQ(refusal(served_.order("ok")).status(), 507);
  EXPECT_THAT(served_.service->not_ready().value(), HasSubstr("disk"));
}

TEST_F(ServiceTest, WhatTheEngineWouldRefuseIsNotQueued) {
  served_.start();
  Order order = served_.order("ok");
  order.request.num_frames = 7;
  const ApiError error = refusal(order);
  EXPECT_EQ(error.status(), 400);
  EXPECT_THAT(error.what(), HasSubstr("multiple of 4"));
  EXPECT_EQ(served_.service->counts().queued, 0);
}

TEST_F(ServiceTest, AKeyIsPaidOnce) {
  served_.start();
  const std::string id = served_.submit("ok", "key");
  EXPECT_EQ(served_.submit("ok", "key"), id);
  EXPECT_EQ(refusal(served_.order("other"), "key").code(), "idempotency_key_reused");
  ASSERT_TRUE(served_.becomes(id, JobState::kCompleted));
  served_.service->remove(id);
  EXPECT_EQ(refusal(served_.order("ok"), "key").status(), 410);
}

TEST_F(ServiceTest, AServerThatEndsPutsItsJobBack) {
  served_.start();
  const std::string slow = served_.submit("slow"), next = served_.submit("ok");
  ASSERT_TRUE(served_.has_begun());
  served_.service.reset();
  served_.options.devices.clear();  // nobody makes anything
  served_.start();
  EXPECT_EQ(served_.job(slow).state, JobState::kQueued);
  EXPECT_EQ(served_.job(slow).attempts, 0);
  EXPECT_EQ(served_.job(next).state, JobState::kQueued);
}

TEST_F(ServiceTest, DrainingTakesNothingInAndBeginsNothing) {
  VideoService& service = served_.start();
  const std::string slow = served_.submit("slow"), next = served_.submit("ok");
  ASSERT_TRUE(served_.has_begun());
  service.drain();
  EXPECT_EQ(refusal(served_.order("ok")).status(), 503);
  EXPECT_FALSE(service.is_idle());
  service.cancel(slow);
  EXPECT_TRUE(test::eventually([&] { return service.is_idle(); }));
  EXPECT_EQ(served_.job(next).state, JobState::kQueued);
}

TEST_F(ServiceTest, WhatIsPastItsTimeGoes) {
  served_.options.retention.age_ms = 1000;
  VideoService& service = served_.start();
  const std::string id = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(id, JobState::kCompleted));
  service.sweep();
  EXPECT_TRUE(is_there(id));
  EXPECT_EQ(json(id)["expires_at"], (served_.now_ms + 1000) / 1000);
  served_.now_ms += 1000;
  service.sweep();
  EXPECT_FALSE(is_there(id));
  EXPECT_THROW(service.view(id), ApiError);
}

TEST_F(ServiceTest, FilesOfNoJobAreRemovedAtTheStart) {
  served_.start();
  const std::string id = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(id, JobState::kCompleted));
  served_.service.reset();
  const auto stranger = served_.folder / ("videos/" + new_job_id() + ".mp4");
  std::ofstream(stranger) << "x";
  served_.start();
  EXPECT_FALSE(std::filesystem::exists(stranger));
  EXPECT_TRUE(is_there(id));
}

TEST_F(ServiceTest, TwoServersDoNotShareAFolder) {
  served_.start();
  EXPECT_THROW(VideoService(served_.options, [] {}), Error);
}

TEST_F(ServiceTest, APictureOfAnOrderIsAFileOfOurs) {
  served_.options.devices.clear();
  VideoService& service = served_.start();
  Order order = served_.order("ok");
  order.first_image = "bytes";
  const std::string id = service.submit(order, "").video.job.id;
  EXPECT_EQ(read_text(service.files().first_image(id)), "bytes");
  service.cancel(id);
  EXPECT_FALSE(std::filesystem::exists(service.files().first_image(id)));
}

TEST_F(ServiceTest, HistorySaysWhatAVideoWillTake) {
  VideoService& service = served_.start();
  const std::string id = served_.submit("ok");
  ASSERT_TRUE(served_.becomes(id, JobState::kCompleted));
  served_.submit("slow");
  const VideoView view = service.submit(served_.order("another prompt"), "").video;
  ASSERT_TRUE(view.expected.has_value());
  EXPECT_THAT(view.expected->basis, HasSubstr("made here"));
}

}  // namespace
}  // namespace wan::serve
