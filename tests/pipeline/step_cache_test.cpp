// Reuse between steps in whole videos on the CPU: what is planned is done, nothing reused is the same video bit for
// bit, and the account says what was computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "io/tensor_file.h"
#include "model/cost.h"
#include "model/dit.h"
#include "pipeline/cache_curve.h"
#include "pipeline/decisions.h"
#include "pipeline/engine.h"
#include "pipeline/plan.h"
#include "pipeline/stage_seconds.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr int kSteps = 12;

/// The operations of each step, and what the plan said.
class Watch final : public NullObserver {
 public:
  Decisions decisions;
  std::map<int, double> flops;
  std::map<int, std::string> parts;

  void on_plan(const Plan& plan) override { decisions = decisions_of(plan); }
  void on_span(const StageSpan& span) override {
    if (span.stage.role != StageRole::kStepInference) return;
    if (span.is_leaf())
      flops[span.stage.index] = span.flops;
    else if (!span.hidden)
      parts[span.stage.index] += span.component + " ";
  }
};

class StepCacheTest : public testing::TestWithParam<const char*> {
 protected:
  Request request() const {
    Request request;
    request.checkpoint = fs::path(WAN_FIXTURES) / GetParam();
    request.prompt = "a red circle moves left across a dark background";
    request.device = "cpu";
    request.width = std::string(GetParam()) == "mini-t2v-moe" ? 32 : 64;
    request.height = 32;
    request.num_frames = 5;
    request.steps = kSteps;
    if (has_experts()) request.split_step = 5;
    return request;
  }
  static bool has_experts() { return std::string(GetParam()) == "mini-t2v-moe"; }
  /// A curve of this model, made once.
  fs::path curve() const {
    Request made = request();
    made.curve = folder_ / "curve.json";
    if (!fs::exists(made.curve)) exact_ = generate(made).video_sha256;
    return made.curve;
  }
  /// Of the video that the curve was made of.
  std::string exact() const {
    curve();
    return exact_;
  }
  Request cached(double threshold, double retention = 0.2) const {
    Request request = this->request();
    request.step_cache = StepCache::kMagCache;
    request.cache_curve = curve();
    request.cache_threshold = threshold;
    request.cache_retention = retention;
    return request;
  }
  static Outcome watched(const Request& request, Watch& watch) { return generate(request, {&watch}); }

  const test::TemporaryFolder folder_;
  mutable std::string exact_;
};

INSTANTIATE_TEST_SUITE_P(Miniatures, StepCacheTest, testing::Values("mini-ti2v-t2v", "mini-t2v-moe"),
                         [](const auto& made) {
                           return made.param == std::string("mini-t2v-moe") ? "TwoExperts" : "OneModel";
                         });

TEST_P(StepCacheTest, MakingACurveChangesNoByteAndFillsIt) {
  EXPECT_EQ(generate(request()).video_sha256, exact());
  const CacheCurve curve = read_cache_curve(this->curve());
  EXPECT_EQ(curve.ratios.steps(), size_t{kSteps});
  for (int step = 0; step < kSteps; ++step) {
    const bool is_first = step == 0 || (has_experts() && step == 5);
    const auto i = static_cast<size_t>(step);
    EXPECT_EQ(curve.ratios.cond[i].has_value(), !is_first) << step;
    EXPECT_EQ(curve.ratios.uncond[i].has_value(), !is_first) << step;
    if (is_first) continue;
    EXPECT_NEAR(*curve.ratios.cond[i], 1, 0.5) << step;
    EXPECT_NE(*curve.ratios.cond[i], 1) << step;
  }
}

TEST_P(StepCacheTest, NothingReusedIsTheSameVideo) {
  Request off = request();
  off.step_cache = StepCache::kOff;
  EXPECT_EQ(generate(off).video_sha256, exact());
  Request request = cached(0);
  Watch watch;
  const Outcome outcome = watched(request, watch);
  EXPECT_EQ(outcome.video_sha256, exact());
  EXPECT_EQ(outcome.forwards.planned, 2 * kSteps);
  EXPECT_EQ(outcome.forwards.computed, 2 * kSteps);
  EXPECT_EQ(outcome.forwards.reused, 0);
  EXPECT_EQ(outcome.forwards.flop_skipped, 0);
  EXPECT_TRUE(watch.decisions.approximations.empty());
  // A curve and a threshold that reuse nothing keep nothing; one that reuses keeps what the blocks add, also of steps
  // that nobody takes it from, and those stay what they were.
  request.cache_threshold = 100;
  request.cache_retention = 1;
  EXPECT_EQ(generate(request).video_sha256, exact());
  request.step_cache = StepCache::kEasyCache;
  request.cache_curve.clear();
  request.cache_threshold = 0;
  request.cache_retention.reset();
  EXPECT_EQ(generate(request).video_sha256, exact());
  Request gated = this->request();
  gated.cfg_gate = 1;
  EXPECT_EQ(generate(gated).video_sha256, exact());
}

TEST_P(StepCacheTest, WhatIsPlannedIsWhatIsDone) {
  for (const double threshold : {0.01, 0.1, 5.0})
    for (const bool is_gated : {false, true}) {
      Request request = cached(threshold);
      if (is_gated) request.cfg_gate = 0.5;
      Watch watch;
      const Outcome outcome = watched(request, watch);
      const Forwards& forwards = outcome.forwards;
      EXPECT_EQ(forwards.planned, forwards.computed);
      EXPECT_EQ(watch.decisions.forwards_planned, forwards.computed);
      EXPECT_EQ(forwards.cond, watch.decisions.forwards_cond);
      EXPECT_EQ(forwards.uncond, watch.decisions.forwards_uncond);
      EXPECT_EQ(forwards.computed + forwards.reused, 2 * kSteps);
      EXPECT_EQ(forwards.cond.back(), 'C');
      if (has_experts()) {
        EXPECT_EQ(forwards.cond[5], 'C');
      }
      double done = 0;
      for (const auto& [step, flops] : watch.flops) done += flops;
      EXPECT_DOUBLE_EQ(done, forwards.flop_computed) << "stages and account are of the same work";
    }
  // All that may be reused: of one model steps 4 to 11, of experts of 5 and 7 steps 2 to 5 and 8 to 11.
  const Outcome most = generate(cached(100));
  EXPECT_EQ(most.forwards.cond, has_experts() ? "CrrCrCCrrCrC" : "CCCrrCrrCrrC");
  EXPECT_NE(most.video_sha256, exact());
}

TEST_P(StepCacheTest, TheAccountIsOfTheWorkThatWasDone) {
  Watch exact, reused;
  const Outcome all = watched(request(), exact);
  const Outcome some = watched(cached(100), reused);
  EXPECT_DOUBLE_EQ(some.forwards.flop_computed + some.forwards.flop_skipped, all.forwards.flop_computed);
  const double pass = all.forwards.flop_computed / (2 * kSteps);
  for (int step = 0; step < kSteps; ++step) {
    EXPECT_DOUBLE_EQ(exact.flops.at(step), 2 * pass);
    const bool is_reused = some.forwards.cond[static_cast<size_t>(step)] == 'r';
    if (is_reused)
      EXPECT_LT(reused.flops.at(step), pass) << step;
    else
      EXPECT_DOUBLE_EQ(reused.flops.at(step), 2 * pass) << step;
    EXPECT_THAT(reused.parts.at(step), testing::StartsWith("cond uncond"));
  }
}

TEST_P(StepCacheTest, OneSeedMakesOneVideoWhereverTheWeightsLive) {
  for (const auto method : {StepCache::kMagCache, StepCache::kEasyCache}) {
    Request request = cached(0.3);
    request.step_cache = method;
    if (method == StepCache::kEasyCache) request.cache_curve.clear();
    request.cfg_gate = 0.75;
    request.offload = Offload::kNone;
    const Outcome resident = generate(request);
    EXPECT_GT(resident.forwards.reused, 2);
    for (const Offload offload : {Offload::kStream, Offload::kMapped}) {
      request.offload = offload;
      const Outcome other = generate(request);
      EXPECT_EQ(other.video_sha256, resident.video_sha256) << static_cast<int>(offload);
      EXPECT_EQ(other.forwards, resident.forwards);
    }
  }
}

TEST_P(StepCacheTest, AWarmEngineMakesTheSameVideosInAnyOrder) {
  Engine engine;
  Request streamed = cached(0.3);
  streamed.offload = Offload::kStream;
  Request exact = request();
  exact.offload = Offload::kStream;
  Request easy = exact;
  easy.step_cache = StepCache::kEasyCache;
  easy.cache_threshold = 10;
  const std::string first = engine.generate(streamed).video_sha256;
  const std::string eased = engine.generate(easy).video_sha256;
  EXPECT_EQ(engine.generate(exact).video_sha256, this->exact());
  EXPECT_EQ(engine.generate(streamed).video_sha256, first);
  EXPECT_EQ(engine.generate(easy).video_sha256, eased);
}

TEST_P(StepCacheTest, EasyCacheDecidesMeanwhileAndSaysAfterwards) {
  Request request = this->request();
  request.step_cache = StepCache::kEasyCache;
  request.cache_threshold = 0.3;
  Watch watch;
  const Outcome outcome = watched(request, watch);
  const Forwards& forwards = outcome.forwards;
  EXPECT_FALSE(forwards.planned.has_value());
  EXPECT_FALSE(watch.decisions.forwards_planned.has_value());
  EXPECT_EQ(forwards.computed + forwards.reused, 2 * kSteps);
  EXPECT_GT(forwards.reused, 0);
  EXPECT_EQ(forwards.cond, forwards.uncond);
  for (size_t i = 0; i < forwards.cond.size(); ++i) {
    const char planned = watch.decisions.forwards_cond[i];
    EXPECT_TRUE(planned == '?' ? forwards.cond[i] != '?' : forwards.cond[i] == planned) << i;
    if (forwards.cond[i] == 'r') {
      EXPECT_EQ(watch.flops.at(static_cast<int>(i)), 0) << "the latent's change is taken over, without the DiT";
    }
  }
  request.cache_threshold = 100;
  EXPECT_GE(generate(request).forwards.reused, forwards.reused);
  EXPECT_NE(outcome.video_sha256, exact());
}

TEST_P(StepCacheTest, TheGateLeavesOutTheNegativePromptAlone) {
  Request request = this->request();
  request.cfg_gate = 0.25;
  Watch watch;
  const Outcome outcome = watched(request, watch);
  EXPECT_EQ(outcome.forwards.cond, std::string(kSteps, 'C'));
  EXPECT_EQ(outcome.forwards.uncond, has_experts() ? "CCCggCgggggg" : "CCCggggggggg");
  EXPECT_EQ(outcome.forwards.computed, outcome.forwards.planned);
  EXPECT_THAT(watch.parts.at(11), testing::Not(testing::HasSubstr("uncond")));
  EXPECT_NE(outcome.video_sha256, exact());
}

/// What guidance adds to the positive prompt's velocity, (scale - 1) times the difference, is that of the last step
/// that had both forwards. The positive prompt's velocity at the same latents is that of a replay without guidance.
TEST_P(StepCacheTest, AGatedStepTakesTheDifferenceOfTheLastThatHadBoth) {
  Request request = this->request();
  request.dump = folder_ / "gated.safetensors";
  request.cfg_gate = 0;
  EXPECT_EQ(generate(request).forwards.uncond, has_experts() ? "CggggCgggggg" : "Cggggggggggg");
  Request unguided = this->request();
  unguided.guidance_scale = 1.0;
  unguided.replay = request.dump;
  unguided.dump = folder_ / "unguided.safetensors";
  generate(unguided);
  const TensorFile guided = TensorFile::open(request.dump), plain = TensorFile::open(unguided.dump);
  std::vector<float> added;
  for (int step = 0; step < kSteps; ++step) {
    const std::string name = fmt::format("step{}.noise_pred", step);
    const TensorView with = guided.view(guided.at(name)), without = plain.view(plain.at(name));
    std::vector<float> now;
    for (int64_t i = 0; i < with.count(); ++i) now.push_back(with.as<float>()[i] - without.as<float>()[i]);
    if (step == 0 || (has_experts() && step == 5)) added = now;
    double off = 0, size = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      off += std::abs(now[i] - added[i]);
      size += std::abs(added[i]);
    }
    EXPECT_GT(size, 0) << step;
    EXPECT_LT(off, 1e-3 * size) << step;
  }
}

TEST_P(StepCacheTest, AReplayedVideoSaysHowFarReusedStepsAreOff) {
  Request request = this->request();
  request.dump = folder_ / "exact.safetensors";
  generate(request);
  Request cached = this->cached(100);
  cached.replay = request.dump;
  const Outcome outcome = generate(cached);
  ASSERT_EQ(outcome.replayed.size(), size_t{kSteps});
  for (size_t step = 0; step < outcome.replayed.size(); ++step) {
    const bool is_reused = outcome.forwards.cond[step] == 'r';
    EXPECT_EQ(outcome.replayed[step].relative_l2 > 0, is_reused) << step;
    EXPECT_LT(outcome.replayed[step].relative_l2, 0.5) << step;
  }
}

/// The DiT alone: what its blocks added, taken again at the same latent and timestep, is what they compute.
TEST(BlocksReused, GiveTheSameVelocityAtTheSameLatent) {
  BackendOptions options;
  options.device = "cpu";
  const auto backend = make_backend(options);
  DitConfig config = variants().front().dit;
  config.dim = 128;
  config.ffn_dim = 256;
  config.num_heads = 2;
  config.num_layers = 3;
  config.text_dim = 64;
  const WeightSource source = random_weights(dit_component(0));
  LayerStoreOptions options_of_store;
  options_of_store.component = "dit";
  LayerStore stem(*backend, {dit_stem_layout(config, DType::kF32)}, source, options_of_store);
  std::vector<WeightLayout> layouts;
  for (int i = 0; i < config.num_layers; ++i) layouts.push_back(dit_block_layout(config, i, DType::kF32));
  LayerStore blocks(*backend, layouts, source, options_of_store);
  stem.start();
  blocks.start();
  Dit dit(*backend, config, DType::kF32, stem.acquire(0));
  const PatchGrid grid{2, 3, 4};
  dit.set_grid(grid);
  const Shape shape{config.in_dim, 2, 6, 8};
  const Tensor x = backend->allocate(DType::kF32, shape, "x"), y = backend->allocate(DType::kF32, shape, "y"),
               again = backend->allocate(DType::kF32, shape, "y"),
               residual = backend->allocate(DType::kF32, {grid.tokens(), config.dim}, "residual"),
               memory = backend->allocate(DType::kU8, {16 << 20}, "arena");
  backend->fill_normal(x, 1, 0, 1);
  const Tensor rows = host_tensor(std::vector<float>(64, 0.1f), {1, 64});
  TextContext text = dit.embed_text(rows);
  const TimeTable times = dit.embed_times(std::vector<double>{0, 900, 500});
  Arena arena(memory);
  for (const int first_frame_row : {-1, 0}) {
    Dit::Call call{x, 1, first_frame_row, &times, &text, nullptr};
    dit.forward(call, blocks, arena, y);
    call.residual = residual;
    dit.forward(call, blocks, arena, again);
    const auto bytes = static_cast<size_t>(shape.count()) * sizeof(float);
    EXPECT_EQ(std::memcmp(y->data, again->data, bytes), 0) << "keeping the residual changes nothing";
    double size = 0;
    for (int64_t i = 0; i < residual->count(); ++i) size += std::abs(residual->as<float>()[i]);
    EXPECT_GT(size, 0);
    call.blocks = Dit::Blocks::kReused;
    dit.forward(call, blocks, arena, again);
    for (int64_t i = 0; i < shape.count(); ++i) ASSERT_NEAR(again->as<float>()[i], y->as<float>()[i], 1e-4) << i;
    call.time_row = 2;
    dit.forward(call, blocks, arena, again);
    EXPECT_NE(std::memcmp(y->data, again->data, bytes), 0) << "the head is modulated by the step's own time";
  }
  Dit::Call call{x, 1, -1, &times, &text, nullptr};
  call.blocks = Dit::Blocks::kReused;
  EXPECT_THROW(dit.forward(call, blocks, arena, y), Error);
}

}  // namespace
}  // namespace wan
