// Distilled models' schedules and steps against their authors' formulas, run with an analytic velocity
// (units/distill_samplers.safetensors).
#include "sampler/few_steps.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "fixture.h"
#include "host_backend.h"
#include "sampler/sampler.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

using Floats = std::vector<float>;
using Golden = std::map<std::string, StoredFloats>;

const Golden& golden() {
  static const Golden kAll = read_floats(WAN_FIXTURES "/units/distill_samplers.safetensors");
  return kAll;
}

Floats floats_of(const std::vector<double>& values) { return {values.begin(), values.end()}; }

Floats without_last(Floats values) {
  values.pop_back();
  return values;
}

const std::vector<int> kLightX2vList{1000, 750, 500, 250}, kFastWanList{1000, 757, 522};

TEST(FewSteps, SchedulesAreBitEqualToTheirAuthors) {
  for (int steps : {4, 8}) {
    const Schedule schedule = even_schedule(steps, 5);
    const std::string key = fmt::format("lightning.steps{}.", steps);
    EXPECT_THAT(schedule.sigmas, ElementsAreArray(golden().at(key + "sigmas").values)) << key;
    EXPECT_THAT(floats_of(schedule.timesteps), ElementsAreArray(without_last(golden().at(key + "timesteps").values)));
    EXPECT_EQ(schedule.noise_scale, 1);
  }
  const Schedule list = list_schedule(kLightX2vList, 5);
  EXPECT_THAT(without_last(list.sigmas), ElementsAreArray(golden().at("lightx2v.sigmas").values));
  EXPECT_THAT(floats_of(list.timesteps), ElementsAreArray(golden().at("lightx2v.timesteps").values));
  for (int shift : {5, 8}) {
    const Schedule schedule = nearest_schedule(kFastWanList, shift);
    const std::string key = fmt::format("fastwan.shift{}.", shift);
    EXPECT_THAT(without_last(schedule.sigmas), ElementsAreArray(golden().at(key + "sigmas").values)) << key;
    EXPECT_THAT(floats_of(schedule.timesteps), ElementsAreArray(golden().at(key + "timesteps").values)) << key;
  }
  for (int sigma_max : {80, 200}) {
    const Schedule schedule = tangent_schedule(4, sigma_max);
    const std::string key = fmt::format("rcm.sigma{}.", sigma_max);
    EXPECT_THAT(schedule.sigmas, ElementsAreArray(golden().at(key + "t").values)) << key;
    EXPECT_THAT(floats_of(schedule.timesteps), ElementsAreArray(golden().at(key + "timesteps_model").values)) << key;
    EXPECT_EQ(schedule.noise_scale, golden().at(key + "t").values[0]);
  }
}

TEST(FewSteps, TimestepsAreNotTruncated) {
  EXPECT_EQ(even_schedule(4, 5).timesteps[1], 937.5);
  EXPECT_NEAR(even_schedule(4, 5).timesteps[2], 833.333, 1e-3);
  EXPECT_THAT(tangent_schedule(4, 200).timesteps, ElementsAre(996, 932, 852, 608));
  EXPECT_EQ(tangent_schedule(1, 80).timesteps[0], 988);
}

TEST(FewSteps, FewerTangentsAreTheFirstOnes) {
  const Schedule four = tangent_schedule(4, 80), two = tangent_schedule(2, 80);
  EXPECT_THAT(two.timesteps, ElementsAre(four.timesteps[0], four.timesteps[1]));
  EXPECT_THAT(two.sigmas, ElementsAre(four.sigmas[0], four.sigmas[1], 0.0f));
}

// The fixture's velocity. Its slope in x is 0.7 + 0.9 cos 3x, in [-0.2, 1.6].
Floats velocity(const Floats& x, double timestep) {
  const Floats& target = golden().at("target").values;
  Floats v(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    v[i] = 0.7f * (x[i] - target[i]) + 0.3f * std::sin(3.0f * x[i]) + 0.2f * static_cast<float>(timestep) / 1000.0f;
  return v;
}

/// The fixture's noises, as a generator would give them.
class StoredNoise final : public NoiseSource {
 public:
  void draw(int i, TensorView out) override {
    const Floats& noise = golden().at(fmt::format("noise{}", i)).values;
    std::memcpy(out.data, noise.data(), noise.size() * sizeof(float));
    ++draws;
  }
  int draws = 0;
};

struct Sampling {
  std::string key;  // of the trajectory
  Solver solver;
  Schedule schedule;
};

std::vector<Sampling> samplings() {
  std::vector<Sampling> all{{"lightning.steps4.", Solver::kEuler, even_schedule(4, 5)},
                            {"lightning.steps8.", Solver::kEuler, even_schedule(8, 5)},
                            {"lightx2v.", Solver::kEuler, list_schedule(kLightX2vList, 5)},
                            {"fastwan.shift8.", Solver::kLcm, nearest_schedule(kFastWanList, 8)},
                            {"fastwan.shift5.", Solver::kLcm, nearest_schedule(kFastWanList, 5)}};
  for (int sigma_max : {80, 200}) {
    all.push_back({fmt::format("rcm.sigma{}.sde.", sigma_max), Solver::kLcm, tangent_schedule(4, sigma_max)});
    all.push_back({fmt::format("rcm.sigma{}.ode.", sigma_max), Solver::kEuler, tangent_schedule(4, sigma_max)});
  }
  return all;
}

float largest(std::span<const float> values) {
  float most = 0;
  for (float value : values) most = std::max(most, std::abs(value));
  return most;
}

enum class Start { kOwn, kStored };  // of each step: where the one before ended, or where the authors' ended

/// The largest difference after any step, in the step's own bound.
double worst(const Sampling& run, Start start) {
  const StoredFloats& noise = golden().at("x_init");
  const std::span<const float> want(golden().at(run.key + "trajectory").values);
  HostBackend backend;
  StoredNoise source;
  const auto sampler = make_sampler(run.solver, run.schedule, noise.shape, backend, &source);
  Floats x = noise.values;
  for (float& value : x) value *= run.schedule.noise_scale;
  double worst = 0, grown = 0;
  for (int i = 0; i < run.schedule.steps(); ++i) {
    Floats v = velocity(x, run.schedule.timesteps[static_cast<size_t>(i)]);
    // A step rounds its products and sums, five at most, and what it starts from and the velocity's three terms are
    // rounded too: ten half-ulps of the largest value. Of an earlier error at most 1.2 is left: 1 - a v' where a is at
    // most 1 and v' at least -0.2.
    const double own = 10 * 0x1p-24 * std::max({largest(x), largest(v), 1.0f});
    grown = own + (start == Start::kOwn ? 1.2 * grown : 0);
    sampler->step(i, {v.data(), DType::kF32, noise.shape, Memory::kHost},
                  {x.data(), DType::kF32, noise.shape, Memory::kHost});
    const auto stored = want.subspan(static_cast<size_t>(i) * x.size(), x.size());
    for (size_t k = 0; k < x.size(); ++k)
      worst = std::max(worst, std::abs(static_cast<double>(x[k]) - stored[k]) / grown);
    if (start == Start::kStored) x.assign(stored.begin(), stored.end());
  }
  EXPECT_EQ(source.draws, run.solver == Solver::kLcm ? run.schedule.steps() - 1 : 0) << run.key;
  return worst;
}

TEST(FewSteps, EachStepIsTheAuthors) {
  for (const Sampling& run : samplings()) EXPECT_LE(worst(run, Start::kStored), 1) << run.key;
}

TEST(FewSteps, FollowTheAuthorsTrajectories) {
  for (const Sampling& run : samplings()) EXPECT_LE(worst(run, Start::kOwn), 1) << run.key;
}

TEST(FewSteps, AnotherShiftOrScaleIsSeen) {
  EXPECT_GT(worst({"fastwan.shift8.", Solver::kLcm, nearest_schedule(kFastWanList, 5)}, Start::kStored), 10);
  Sampling unscaled{"rcm.sigma80.ode.", Solver::kEuler, tangent_schedule(4, 80)};
  unscaled.schedule.noise_scale = 1;
  EXPECT_GT(worst(unscaled, Start::kStored), 10);
}

TEST(FewSteps, FreshNoiseIsAllocatedOnceAndNeedsASource) {
  const Shape shape{4};
  HostBackend backend;
  EXPECT_THROW(make_sampler(Solver::kLcm, even_schedule(2, 5), shape, backend), Error);
  class Ones final : public NoiseSource {
    void draw(int, TensorView out) override { std::fill_n(out.as<float>(), out.count(), 1.0f); }
  } ones;
  const auto sampler = make_sampler(Solver::kLcm, even_schedule(2, 1), shape, backend, &ones);
  const int before = backend.allocations;
  Floats x{1, 2, 3, 4}, v{0.5f, 0.5f, 0.5f, 0.5f};
  for (int i = 0; i < 2; ++i)
    sampler->step(i, {v.data(), DType::kF32, shape, Memory::kHost}, {x.data(), DType::kF32, shape, Memory::kHost});
  EXPECT_EQ(backend.allocations, before);
  EXPECT_THAT(x, ElementsAre(0.5f, 1.0f, 1.5f, 2.0f));  // x0 = x - 1/2, half of it and half of 1, less 1/4
}

template <class Make>
std::string refusal(Make make) {
  try {
    make();
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    return problem.what();
  }
  return "accepted";
}

TEST(FewSteps, RefuseWhatMakesNoSchedule) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refusal([] { even_schedule(0, 5); }), HasSubstr("between 1 and 1000, found 0"));
  EXPECT_THAT(refusal([] { even_schedule(4, kNan); }), HasSubstr("shift"));
  EXPECT_THAT(refusal([] { even_schedule(4, 1e12); }), HasSubstr("makes no schedule"));
  EXPECT_THAT(refusal([] { list_schedule(kLightX2vList, 0); }), HasSubstr("above 0"));
  EXPECT_THAT(refusal([] { list_schedule({}, 5); }), HasSubstr("at least one"));
  EXPECT_THAT(refusal([] { list_schedule(std::vector{1001}, 5); }), HasSubstr("timestep 1001"));
  EXPECT_THAT(refusal([] { nearest_schedule(std::vector{500, 400}, 1000); }), HasSubstr("makes no schedule"));
  EXPECT_THAT(refusal([] { tangent_schedule(5, 80); }), HasSubstr("between 1 and 4, found 5"));
  EXPECT_THAT(refusal([] { tangent_schedule(4, 14); }), HasSubstr("found 14"));
}

}  // namespace
}  // namespace wan
