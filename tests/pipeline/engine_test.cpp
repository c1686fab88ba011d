// The engine as a library: requests stop one by one, engines share a process, and none of it shows in the frames.
#include "pipeline/engine.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "temporary_folder.h"

namespace wan {
namespace {

Request small_request(const std::string& prompt, uint64_t seed = 42) {
  Request request;
  request.checkpoint = WAN_BINARY_DIR "/share/wanbench/checkpoint";
  request.prompt = prompt;
  request.width = request.height = 32;
  request.num_frames = 5;
  request.steps = 3;
  request.seed = seed;
  request.device = "cpu";
  return request;
}

/// Does something when a denoising step begins.
class AtStep final : public NullObserver {
 public:
  AtStep(int step, std::function<void()> action) : step_(step), action_(std::move(action)) {}
  void on_begin(const StageId& stage, int) override {
    if (stage.role == StageRole::kStepInference && stage.index == step_) action_();
  }

 private:
  int step_;
  std::function<void()> action_;
};

/// Whether the request ended as one that was stopped.
bool is_stopped(Engine& engine, const Request& request, const CallOptions& call) {
  try {
    engine.generate(request, call);
    return false;
  } catch (const Error& problem) {
    return problem.kind() == ErrorKind::kInterrupted;
  }
}

TEST(Engine, AStopEndsOneRequestAndTheNextIsAsEver) {
  const Request request = small_request("a red star");
  const std::string alone = generate(request).video_sha256;
  Engine engine;
  StopSource stop;
  AtStep stopping(1, [&] { stop.request_stop(); });
  EXPECT_TRUE(is_stopped(engine, request, {&stopping, &stop}));
  EXPECT_TRUE(is_stopped(engine, request, {nullptr, &stop})) << "the source is still set";
  StopSource another;
  EXPECT_EQ(engine.generate(request, {nullptr, &another}).video_sha256, alone);
  stop.clear();
  EXPECT_EQ(engine.generate(request, {nullptr, &stop}).video_sha256, alone);
}

StopSource* stopped_by_signal = nullptr;

TEST(Engine, ASignalHandlerMayAskForTheStop) {
  StopSource stop;
  stopped_by_signal = &stop;
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) { stopped_by_signal->request_stop(); };
  sigaction(SIGUSR1, &action, &before);
  AtStep signalling(1, [] { raise(SIGUSR1); });
  Engine engine;
  EXPECT_TRUE(is_stopped(engine, small_request("a red star"), {&signalling, &stop}));
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(Engine, TwoInTwoThreadsMakeWhatEachMakesAlone) {
  const Request first = small_request("a red star"), second = small_request("a white triangle", 7);
  const std::string first_alone = generate(first).video_sha256, second_alone = generate(second).video_sha256;
  ASSERT_NE(first_alone, second_alone);
  // Each waits at its second step until the other is there, so that both surely run at once.
  std::promise<void> first_there, second_there;
  AtStep of_first(1, [&] {
    first_there.set_value();
    second_there.get_future().wait();
  });
  AtStep of_second(1, [&] {
    second_there.set_value();
    first_there.get_future().wait();
  });
  auto other = std::async(std::launch::async, [&] { return generate(first, {&of_first}).video_sha256; });
  EXPECT_EQ(generate(second, {&of_second}).video_sha256, second_alone);
  EXPECT_EQ(other.get(), first_alone);
}

TEST(Engine, TheStopOfOneLeavesTheOther) {
  const Request request = small_request("a red star");
  const std::string alone = generate(request).video_sha256;
  StopSource stop, never;
  std::promise<void> running, stopped;
  AtStep waiting(1, [&] {
    running.set_value();
    stopped.get_future().wait();
  });
  auto other = std::async(std::launch::async, [&] { return generate(request, {&waiting, &never}).video_sha256; });
  running.get_future().wait();
  AtStep stopping(1, [&] { stop.request_stop(); });
  Engine engine;
  EXPECT_TRUE(is_stopped(engine, request, {&stopping, &stop}));
  stopped.set_value();
  EXPECT_EQ(other.get(), alone);
}

TEST(Engine, GivesTheFramesOfTheDigestToAConsumer) {
  FrameMemory memory;
  CallOptions call;
  call.consumers = {&memory};
  const Outcome outcome = generate(small_request("a red star"), call);
  EXPECT_EQ(memory.rgb().size(), static_cast<size_t>(outcome.num_frames * outcome.height * outcome.width * 3));
  Sha256 hash;
  hash.update(std::as_bytes(std::span(memory.rgb())));
  EXPECT_EQ(outcome.video_sha256, hash.hex());
  EXPECT_EQ(memory.video().prompt, "a red star");
  EXPECT_EQ(memory.video().settings.at("seed"), "42");
}

TEST(Engine, AStoppedRequestAbandonsItsConsumers) {
  FrameMemory memory;
  StopSource stop;
  AtStep stopping(2, [&] { stop.request_stop(); });
  CallOptions call{&stopping, &stop};
  call.consumers = {&memory};
  Engine engine;
  EXPECT_TRUE(is_stopped(engine, small_request("a red star"), call));
  EXPECT_TRUE(memory.rgb().empty());
  EXPECT_EQ(memory.video().width, 32) << "it had begun";
}

/// What a request's text encoding took.
class TextEncoding final : public NullObserver {
 public:
  bool read_encoder = false;
  double flops = -1;
  std::string from_cache = "not said";

  void on_memory(const MemoryMark& mark) override {
    if (mark.stage.role == StageRole::kTextEncoding)
      read_encoder = mark.device_bytes.contains("weights.text_encoder.fp32");
  }
  void on_span(const StageSpan& span) override {
    if (span.stage.role == StageRole::kTextEncoding && span.component.empty()) flops = span.flops;
  }
  void on_fact(const std::string& key, const std::string& value) override {
    if (key == "prompts_from_cache") from_cache = value;
  }
};

TEST(Engine, KnownPromptsAreNotEncodedAgainAndChangeNoByte) {
  const Request star = small_request("a red star"), triangle = small_request("a white triangle");
  const std::string star_alone = generate(star).video_sha256, triangle_alone = generate(triangle).video_sha256;
  Engine engine(EngineOptions{.cached_prompts = 3});
  struct {
    Request request;
    std::string video, from_cache;
    bool read;
  } const requests[] = {
      {star, star_alone, "0 of 2", true},          {star, star_alone, "2 of 2", false},
      {triangle, triangle_alone, "1 of 2", true},  // the negative prompt is the same
      {triangle, triangle_alone, "2 of 2", false}, {star, star_alone, "2 of 2", false},
  };
  for (const auto& [request, video, from_cache, read] : requests) {
    TextEncoding encoding;
    EXPECT_EQ(engine.generate(request, {&encoding}).video_sha256, video);
    EXPECT_EQ(encoding.from_cache, from_cache);
    EXPECT_EQ(encoding.read_encoder, read);
    EXPECT_EQ(encoding.flops > 0, read);
  }
}

TEST(Engine, ReadsTheEncoderForEveryRequestUnlessToldOtherwise) {
  Engine engine;
  for (int i = 0; i < 2; ++i) {
    TextEncoding encoding;
    engine.generate(small_request("a red star"), {&encoding});
    EXPECT_TRUE(encoding.read_encoder);
    EXPECT_GT(encoding.flops, 0);
    EXPECT_EQ(encoding.from_cache, "not said");
  }
}

TEST(Engine, AnEncoderThatIsAnotherFileIsReadAnew) {
  const Request first = small_request("a red star");
  Request second = first;
  const test::TemporaryFolder folder;
  second.checkpoint = folder / "checkpoint";
  std::filesystem::copy(first.checkpoint, second.checkpoint, std::filesystem::copy_options::recursive);
  Engine engine(EngineOptions{.cached_prompts = 8});
  engine.generate(first);
  TextEncoding encoding;
  engine.generate(second, {&encoding});
  EXPECT_EQ(encoding.from_cache, "0 of 2");
  EXPECT_TRUE(encoding.read_encoder);
}

TEST(Engine, ServesRequestsFromAnyThread) {
  const Request request = small_request("a red star");
  Engine engine;
  const std::string here = engine.generate(request).video_sha256;
  std::string there;
  std::thread([&] { there = engine.generate(request).video_sha256; }).join();
  EXPECT_EQ(there, here);
}

}  // namespace
}  // namespace wan
