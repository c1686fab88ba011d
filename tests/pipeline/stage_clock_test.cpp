// Stages cut by events whose times the test writes: leaves tile, waits become the step's loading, device and copy times
// come out as they were put in.
#include "pipeline/stage_clock.h"

#include <gtest/gtest.h>

#include "../sampler/host_backend.h"

namespace wan {
namespace {

/// Events happen at the instant the test set when they were recorded, and are ready once it says so.
class ScriptedBackend final : public HostBackend {
 public:
  explicit ScriptedBackend(const std::string& kind) { script_.kind = kind; }
  int64_t now_ns = 0;
  bool all_ready = true;

  Event at(int64_t ns) {
    now_ns = ns;
    return record(Queue::kCompute);
  }
  DeviceInterval between(int64_t begin_ns, int64_t end_ns, uint64_t bytes = 0) {
    const int64_t kept = now_ns;
    const DeviceInterval interval{at(begin_ns), at(end_ns), bytes};
    now_ns = kept;
    return interval;
  }
  const DeviceInfo& info() const override { return script_; }
  Event record(Queue) override { return {std::make_shared<int64_t>(now_ns)}; }
  bool ready(const Event&) override { return all_ready; }
  int64_t event_time_ns(const Event& event) override { return *static_cast<const int64_t*>(event.handle.get()); }
  std::optional<ClockDrift> retie_clocks() override { return ClockDrift{-70, 5}; }

 private:
  DeviceInfo script_;
};

class Recorder final : public NullObserver {
 public:
  std::vector<StageSpan> spans;
  std::optional<ClockDrift> drift;
  void on_span(const StageSpan& span) override { spans.push_back(span); }
  void on_clock(const ClockDrift& told) override { drift = told; }
};

/// Initialization 0-100, one step 100-600 that waited 30 + 20 and copied 150 + 40, output from 600 to 700.
std::vector<StageSpan> one_step(const std::string& kind, Recorder& recorder) {
  ScriptedBackend backend(kind);
  StageClock clock(recorder, 1, 0);
  clock.attach(backend);
  backend.now_ns = 100;
  clock.enter({StageRole::kStepInference, 0});
  clock.add_waits({backend.between(110, 140), backend.between(300, 320)});
  clock.add_copies({backend.between(100, 250, 7), backend.between(290, 330, 8)});
  backend.now_ns = 400;
  clock.mark("cond");
  backend.now_ns = 590;
  clock.mark("uncond");
  backend.now_ns = 600;
  clock.enter({StageRole::kOutputEncoding});
  backend.now_ns = 700;
  clock.finish();
  return recorder.spans;
}

TEST(StageClock, LeavesTileAndWaitsAreTheStepsLoading) {
  Recorder recorder;
  const auto spans = one_step("cuda", recorder);
  ASSERT_EQ(spans.size(), 8u);
  EXPECT_EQ(spans[0].stage.role, StageRole::kInitialization);
  EXPECT_EQ(spans[0].end_ns, 100);
  EXPECT_EQ(spans[1].stage.role, StageRole::kStepLoading);
  EXPECT_EQ(spans[1].begin_ns, 100);
  EXPECT_EQ(spans[1].end_ns, 150);
  EXPECT_EQ(spans[2].stage.role, StageRole::kStepInference);
  EXPECT_EQ(spans[2].begin_ns, 150);
  EXPECT_EQ(spans[2].end_ns, 600);
  EXPECT_EQ(spans[3].component, "h2d");
  EXPECT_TRUE(spans[3].hidden);
  EXPECT_EQ(spans[3].bytes, 7u);
  EXPECT_EQ(spans[5].component, "cond");
  EXPECT_FALSE(spans[5].hidden);
  EXPECT_EQ(spans[5].begin_ns, 150);  // with the step, after its waits
  EXPECT_EQ(spans[5].end_ns, 400);
  EXPECT_EQ(spans[6].component, "uncond");
  EXPECT_EQ(spans[6].begin_ns, 400);
  EXPECT_EQ(spans[6].end_ns, 590);
  EXPECT_EQ(spans[7].stage.role, StageRole::kOutputEncoding);
  EXPECT_EQ(spans[7].end_ns, 700);
}

TEST(StageClock, TellsDeviceTimeAndCopiesApart) {
  Recorder recorder;
  const auto spans = one_step("cuda", recorder);
  ASSERT_EQ(spans.size(), 8u);
  EXPECT_FALSE(spans[0].gpu_ns);  // it begins before there is a device
  EXPECT_EQ(spans[1].gpu_ns, 50);
  EXPECT_EQ(spans[1].exposed_copy_ns, 50);
  EXPECT_EQ(spans[2].gpu_ns, 450);
  EXPECT_EQ(spans[2].exposed_copy_ns, 0);
  EXPECT_EQ(spans[2].hidden_copy_ns, 190 - 50);
  EXPECT_EQ(spans[7].gpu_ns, 100);
  EXPECT_EQ(spans[7].hidden_copy_ns, 0);
  ASSERT_TRUE(recorder.drift);
  EXPECT_EQ(recorder.drift->residual_ns, -70);
  EXPECT_EQ(recorder.drift->uncertainty_ns, 5);
}

TEST(StageClock, TheHostHasNoDeviceTime) {
  Recorder recorder;
  for (const StageSpan& span : one_step("cpu", recorder)) {
    EXPECT_FALSE(span.gpu_ns);
    EXPECT_FALSE(span.exposed_copy_ns);
    EXPECT_FALSE(span.hidden_copy_ns);
  }
}

TEST(StageClock, WaitsInsideOtherLeavesStayInside) {
  Recorder recorder;
  ScriptedBackend backend("cuda");
  StageClock clock(recorder, 1, 0);
  clock.attach(backend);
  clock.enter({StageRole::kTextEncoding});
  clock.add_waits({backend.between(10, 40)});
  backend.now_ns = 100;
  clock.finish();
  const StageSpan& text = recorder.spans.back();
  EXPECT_EQ(text.stage.role, StageRole::kTextEncoding);
  EXPECT_EQ(text.end_ns - text.begin_ns, 100);
  EXPECT_EQ(text.gpu_ns, 100);
  EXPECT_EQ(text.exposed_copy_ns, 30);
}

TEST(StageClock, ReportsNothingThatIsNotOver) {
  Recorder recorder;
  ScriptedBackend backend("cuda");
  backend.all_ready = false;
  StageClock clock(recorder, 1, 0);
  clock.attach(backend);
  clock.enter({StageRole::kPreprocess});
  EXPECT_TRUE(recorder.spans.empty());
  backend.all_ready = true;
  clock.poll();
  EXPECT_EQ(recorder.spans.size(), 1u);
}

}  // namespace
}  // namespace wan
