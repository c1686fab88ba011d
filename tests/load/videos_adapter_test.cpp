// What the adapters of /v1/videos ask and understand, without a connection; and what a URL may be.
#include "load/videos_adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "load/comfyui_adapter.h"

namespace wan::load {
namespace {

using testing::HasSubstr;
using testing::Not;

Order an_order() {
  Order order;
  order.prompt = "a boat --wanbench-load";
  order.width = 832;
  order.height = 480;
  order.num_frames = 81;
  order.steps = 4;
  order.seed = 7;
  return order;
}

std::string refusal_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& problem) {
    return problem.what();
  }
  return "";
}

TEST(VideosAdapter, AFormHasEveryFieldAndAnEdgeThatIsInNone) {
  const HttpAsk ask = make_videos_adapter(VideosBody::kForm)->order(an_order());
  EXPECT_EQ(ask.content_type, "multipart/form-data; boundary=wanbench-load-");
  EXPECT_THAT(ask.body, HasSubstr("name=\"size\"\r\n\r\n832x480\r\n--wanbench-load-"));
  EXPECT_THAT(ask.body, HasSubstr("name=\"num_inference_steps\"\r\n\r\n4\r\n"));
  EXPECT_THAT(ask.body, Not(HasSubstr("recipe")));
  EXPECT_TRUE(ask.body.ends_with("--wanbench-load---\r\n"));
}

TEST(VideosAdapter, UnderstandsAJobOfTheOpenServers) {
  const auto adapter = make_videos_adapter(VideosBody::kJson);
  EXPECT_EQ(nlohmann::json::parse(adapter->order(an_order()).body)["num_frames"], 81);
  const JobHandle job = adapter->taken_in(R"({"id": "video-123", "status": "queued", "created_at": 1701234567})");
  EXPECT_EQ(adapter->look(job).path, "/v1/videos/video-123");
  EXPECT_EQ(adapter->view(job, R"({"status": "in_progress", "progress": 0})").state, JobView::State::kRunning);
  const JobView done = adapter->view(job, R"({"status": "completed", "inference_time_s": 12.5, "energy_j": "much"})");
  EXPECT_EQ(done.state, JobView::State::kCompleted);
  EXPECT_EQ(done.told.inference_s, 12.5);
  EXPECT_FALSE(done.told.energy_j.has_value());
  const JobView failed = adapter->view(job, R"({"status": "failed", "error": {"message": "out of\nmemory"}})");
  EXPECT_EQ(failed.detail, "out of?memory");
}

TEST(VideosAdapter, WhatIsNoJobIsSaid) {
  const auto adapter = make_videos_adapter(VideosBody::kJson);
  for (const char* id : {"../../admin", "..", "", "a b", "x?y", "x\\r\\nHost: y"})
    EXPECT_THAT(refusal_of([&] {
                  adapter->taken_in(nlohmann::json{{"id", id}}.dump());
                }),
                HasSubstr("could stand in a path"));
  EXPECT_THAT(refusal_of([&] { adapter->taken_in("[]"); }), HasSubstr("no object"));
  EXPECT_THAT(refusal_of([&] { adapter->view({}, R"({"status": "dreaming"})"); }), HasSubstr("'dreaming'"));
  EXPECT_EQ(adapter->refusal({429, R"({"error": {"code": "queue_full"}})", "", false}), "429 queue_full");
  EXPECT_EQ(adapter->refusal({422, R"({"detail": "no such size"})", "", false}), "422 no such size");
  EXPECT_EQ(adapter->refusal({502, "<html>", "", false}), "502");
}

TEST(OwnAdapter, TakesWhatTheServerTells) {
  const auto adapter = make_own_adapter();
  const JobView done = adapter->view({}, R"({"status": "completed", "inference_time_s": 11.5, "energy_j": 6500.5,
      "price": 0.01, "price_currency": "EUR", "expected_seconds": null, "stages": [{"name": "VAE_Decode", "seconds": 1.5}]})");
  EXPECT_EQ(done.told.energy_j, 6500.5);
  EXPECT_EQ(done.told.currency, "EUR");
  EXPECT_EQ(done.told.stages.at(0).name, "VAE_Decode");
  const JobView queued = adapter->view({}, R"({"status": "queued", "queue_position": 3, "expected_seconds": 11.4})");
  EXPECT_EQ(queued.told.queue_position, 3);
  EXPECT_EQ(queued.told.expected_s, 11.4);
  EXPECT_EQ(
      adapter->watts("wanbench_card_power_watts{worker=\"0\"} 300.5\nwanbench_card_power_watts{worker=\"1\"} 100\n"),
      400.5);
  EXPECT_EQ(adapter->watts("wanbench_card_power_watts{worker=\"0\",device=\"cuda:0\"} 300\n"
                           "wanbench_card_power_watts{worker=\"1\",device=\"cuda:0\"} 301\n"),
            301)
      << "two workers of one card";
  EXPECT_FALSE(adapter->watts("wanbench_videos 3\n").has_value());
}

// A value that goes nowhere would stand in the results as if it had been asked for.
TEST(Adapters, RefuseWhatTheirServersAreNotTold) {
  const auto comfy = make_comfyui_adapter(R"({"1": {"class_type": "KSampler", "inputs": {"seed": "{seed}",
      "text": "{prompt}", "steps": "{steps}"}}})");
  Order order;
  order.prompt = "a fox";
  order.steps = 4;
  comfy->require_takes(order);
  order.width = 832;
  EXPECT_THAT(refusal_of([&] { comfy->require_takes(order); }), HasSubstr("{width} stands nowhere in it"));
  order.width = 0;
  order.shift = 5.0;
  EXPECT_THAT(refusal_of([&] { comfy->require_takes(order); }), HasSubstr("shift are the workflow's own"));
  order.recipe = "lightning-4";
  EXPECT_THAT(refusal_of([&] { make_videos_adapter(VideosBody::kForm)->require_takes(order); }),
              HasSubstr("known to the adapter wanbench alone"));
  make_own_adapter()->require_takes(order);
}

TEST(Url, IsTakenApart) {
  const Url url = parse_url("http://[::1]:8080/base/");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.authority(), "[::1]:8080");
  EXPECT_EQ(url.base, "/base");
  EXPECT_EQ(parse_url("http://gpu").port, "80");
}

TEST(Url, OtherThanPlainHttpIsRefused) {
  for (const char* text : {"gpu:8080", "https://gpu", "http://", "http://user@gpu", "http://gpu:0", "http://gpu/?x",
                           "http://g pu", "http://[::1"})
    EXPECT_THAT(refusal_of([&] { parse_url(text); }), HasSubstr("expected http://HOST:PORT")) << text;
}

}  // namespace
}  // namespace wan::load
