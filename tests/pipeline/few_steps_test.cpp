// Few steps and one branch, whole videos on the CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "io/tensor_file.h"
#include "pipeline/engine.h"
#include "pipeline/models.h"
#include "sampler/latent_noise.h"
#include "temporary_folder.h"

namespace wan {
namespace {

/// Of a fixture, small enough to be short.
Request request_of(const std::string& fixture) {
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / fixture;
  request.prompt = "a red circle moves left across a dark background";
  request.device = "cpu";
  request.width = fixture == "mini-t2v-moe" ? 32 : 64;
  request.height = 32;
  request.num_frames = 5;
  return request;
}

/// What the steps were made of.
class Steps final : public NullObserver {
 public:
  std::map<int, double> flops;
  std::multiset<std::string> parts;
  double text_flops = 0;

  void on_span(const StageSpan& span) override {
    if (span.stage.role == StageRole::kStepInference) {
      if (span.is_leaf())
        flops[span.stage.index] = span.flops;
      else if (!span.hidden)
        parts.insert(span.component);
    }
    if (span.stage.role == StageRole::kTextEncoding && span.is_leaf()) text_flops = span.flops;
  }
};

/// A dump's tensors as they are, by name.
class Dumped {
 public:
  explicit Dumped(const std::filesystem::path& path) : file_(TensorFile::open(path)) {}
  bool has(const std::string& name) const {
    for (const StoredTensor& tensor : file_.tensors())
      if (tensor.name == name) return true;
    return false;
  }
  std::vector<float> at(const std::string& name) const {
    const TensorView view = file_.view(file_.at(name));
    return {view.as<float>(), view.as<float>() + view.count()};
  }
  TensorView view(const std::string& name) const { return file_.view(file_.at(name)); }

 private:
  TensorFile file_;
};

TEST(FewSteps, ARecipeMakesTheSameVideoAgainAndAnotherThanTheOfficial) {
  Request request = request_of("mini-t2v-moe");
  request.recipe = "lightning-4";
  Steps steps;
  const Outcome first = generate(request, {&steps});
  EXPECT_EQ(first.steps, 4);
  EXPECT_EQ(steps.flops.size(), 4u);
  EXPECT_EQ(generate(request).video_sha256, first.video_sha256);
  request.recipe.clear();
  request.steps = 4;
  request.shift = 5.0;
  request.guidance_scale = 1.0;
  EXPECT_NE(generate(request).video_sha256, first.video_sha256);
}

TEST(FewSteps, FreshNoiseIsTheSeedsNextDrawFrameByFrame) {
  const test::TemporaryFolder folder;
  Request request = request_of("mini-ti2v-t2v");
  request.recipe = "fastwan-3";
  request.seed = 9;
  request.dump = folder / "dump.safetensors";
  const std::string video = generate(request).video_sha256;
  EXPECT_EQ(generate(request).video_sha256, video);
  const Dumped dump(request.dump);
  EXPECT_FALSE(dump.has("step2.noise")) << "the last step adds none";
  const char* const names[] = {"noise", "step0.noise", "step1.noise"};
  for (int draw = 0; draw < 3; ++draw) {
    const TensorView dumped = dump.view(names[draw]);
    const Tensor want = host_tensor(DType::kF32, dumped.shape);
    draw_latent(9, draw, DrawOrder::kFramesFirst, want);
    EXPECT_EQ(dump.at(names[draw]), std::vector<float>(want->as<float>(), want->as<float>() + want->count()));
  }
  // x = (1 - sigma') (x - sigma v) + sigma' n
  const std::vector<float> x = dump.at("step0.sample_in"), v = dump.at("step0.noise_pred"), n = dump.at("step0.noise"),
                           sigmas = dump.at("sigmas"), out = dump.at("step0.sample_out");
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_NEAR(out[i], (1 - sigmas[1]) * (x[i] - sigmas[0] * v[i]) + sigmas[1] * n[i], 1e-5) << i;
}

TEST(FewSteps, TheFirstSigmaScalesTheStartingNoise) {
  const test::TemporaryFolder folder;
  Request request = request_of("mini-t2v-moe");
  request.recipe = "rcm-1";
  request.dump = folder / "dump.safetensors";
  generate(request);
  const Dumped dump(request.dump);
  const std::vector<float> noise = dump.at("noise"), x = dump.at("step0.sample_in"), sigmas = dump.at("sigmas");
  EXPECT_LT(sigmas[0], 0.99f);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(x[i], sigmas[0] * noise[i]) << i;
}

TEST(OneBranch, IsHalfTheWorkAndNeitherEncodesNorNamesTheOther) {
  const test::TemporaryFolder folder;
  Request request = request_of("mini-ti2v-t2v");
  request.steps = 2;
  Steps both;
  generate(request, {&both});
  EXPECT_EQ(both.parts.count("uncond"), 2u);
  request.guidance_scale = 1.0;
  request.dump = folder / "dump.safetensors";
  request.dump_level = DumpLevel::kBlocks;
  Steps one;
  generate(request, {&one});
  EXPECT_EQ(one.parts.count("cond"), 2u);
  EXPECT_EQ(one.parts.count("uncond"), 0u);
  for (int step : {0, 1}) EXPECT_DOUBLE_EQ(both.flops.at(step), 2 * one.flops.at(step));
  EXPECT_LT(one.text_flops, both.text_flops);
  const Dumped dump(request.dump);
  EXPECT_TRUE(dump.has("dit.call0.out"));
  for (const char* absent : {"text.negative", "dit.call1.out"}) EXPECT_FALSE(dump.has(absent)) << absent;
  EXPECT_EQ(dump.at("step0.noise_pred"), dump.at("dit.call0.out")) << "unguided, to the bit";
}

TEST(OneBranch, TheNegativePromptChangesNothing) {
  Request request = request_of("mini-ti2v-t2v");
  request.steps = 1;
  request.guidance_scale = 1.0;
  const std::string video = generate(request).video_sha256;
  request.negative_prompt = "a blue square";
  EXPECT_EQ(generate(request).video_sha256, video);
}

TEST(OneBranch, IsOfTheExpertWhoseGuidanceIsOne) {
  Request request = request_of("mini-t2v-moe");
  request.recipe = "lightning-4";
  request.guidance_scale = 3.0;
  request.guidance_scale_2 = 1.0;
  Steps steps;
  generate(request, {&steps});
  EXPECT_EQ(steps.parts.count("cond"), 4u);
  EXPECT_EQ(steps.parts.count("uncond"), 2u);
}

TEST(OneBranch, AWarmEngineKnowsBothKinds) {
  Request guided = request_of("mini-ti2v-t2v"), alone = guided;
  guided.steps = alone.steps = 1;
  alone.guidance_scale = 1.0;
  const std::string guided_video = generate(guided).video_sha256, alone_video = generate(alone).video_sha256;
  Engine engine(EngineOptions{.cached_prompts = 4});
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(engine.generate(alone).video_sha256, alone_video);
    EXPECT_EQ(engine.generate(guided).video_sha256, guided_video);
  }
}

/// The loop by hand: the model called once a step, Euler on the recipe's sigmas. `text` and `noise` of a dump.
std::vector<float> by_hand(const Request& request, const Dumped& dump) {
  Models models;
  models.set = open_models(request);
  const Plan plan = make_plan(request, models.set);
  models.backend = make_backend({"cpu", 0, {}});
  Backend& cpu = *models.backend;
  models.memory = plan_memory(request, models.set, plan, HistoryMemory::kApart, memory_limits(cpu));
  models.make_experts(plan);
  const Tensor x = cpu.allocate(DType::kF32, plan.latent, "x"), v = cpu.allocate(DType::kF32, plan.latent, "v"),
               block = cpu.allocate(DType::kU8, {static_cast<int64_t>(models.memory.dit_arena)}, "arena");
  Arena arena(block);
  cpu.upload(dump.view("noise"), x);
  const double sigmas[] = {1, 0.9375, 5.0 / 6, 0.625, 0};
  for (int step = 0; step < 4; ++step) {
    LoadedExpert& expert = models.experts[step < 2 ? 0 : 1];
    models.start_expert(step < 2 ? 0 : 1);
    if (!expert.dit) {
      const TensorView stem = expert.stem->acquire(0);
      expert.dit = std::make_unique<Dit>(cpu, models.set.dit, DType::kF32, stem);
      expert.dit->set_grid(plan.grid());
      expert.positive = expert.dit->embed_text(dump.view("text.positive"));
    }
    const std::vector<double> t{1000 * sigmas[step]};
    const TimeTable times = expert.dit->embed_times(t);
    expert.dit->forward({x, 0, -1, &times, &expert.positive, nullptr}, *expert.blocks, arena, v);
    for (int64_t i = 0; i < x->count(); ++i)
      x->as<float>()[i] += static_cast<float>(sigmas[step + 1] - sigmas[step]) * v->as<float>()[i];
  }
  return {x->as<float>(), x->as<float>() + x->count()};
}

TEST(OneBranch, OfARecipeIsAHandMadeLoop) {
  const test::TemporaryFolder folder;
  Request request = request_of("mini-t2v-moe");
  request.recipe = "lightning-4";
  request.dump = folder / "dump.safetensors";
  generate(request);
  const Dumped dump(request.dump);
  const std::vector<float> ours = dump.at("step3.sample_out"), want = by_hand(request, dump);
  ASSERT_EQ(ours.size(), want.size());
  // Timesteps and intervals are rounded to float32 here and in float64 there: 2^-24 of a phase of up to 1000, so 6e-5
  // of an angle of the time embedding, which a model of 2 blocks does not enlarge.
  for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(ours[i], want[i], 2e-4) << i;
}

}  // namespace
}  // namespace wan
