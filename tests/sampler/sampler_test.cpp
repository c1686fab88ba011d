#include "sampler/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "fixture.h"
#include "host_backend.h"

namespace wan {
namespace {

using Floats = std::vector<float>;

float largest(const Floats& values) {
  float most = 0;
  for (float value : values) most = std::max(most, std::abs(value));
  return most;
}

float largest_difference(const Floats& a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  float most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(std::isfinite(a[i])) << i;
    most = std::max(most, std::abs(a[i] - b[i]));
  }
  return most;
}

// The velocity the golden traces were made with: it feeds the sample back, so a wrong step shows in all later ones.
Floats golden_velocity(const Floats& x, const Floats& target, double timestep) {
  Floats v(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    v[i] = 0.7f * (x[i] - target[i]) + 0.3f * std::sin(3.0f * x[i]) + 0.2f * static_cast<float>(timestep) / 1000.0f;
  return v;
}

// Samples after each step.
std::vector<Floats> run(Solver kind, const Schedule& schedule, const Shape& shape, Floats x, const Floats& target) {
  HostBackend backend;
  const auto sampler = make_sampler(kind, schedule, shape, backend);
  std::vector<Floats> trajectory;
  for (int i = 0; i < schedule.steps(); ++i) {
    Floats v = golden_velocity(x, target, schedule.timesteps[static_cast<size_t>(i)]);
    sampler->step(i, {v.data(), DType::kF32, shape, Memory::kHost}, {x.data(), DType::kF32, shape, Memory::kHost});
    trajectory.push_back(x);
  }
  return trajectory;
}

class GoldenSampler : public testing::TestWithParam<Solver> {};

TEST_P(GoldenSampler, FollowsOfficialTrajectories) {
  const auto golden = read_floats(WAN_FIXTURES "/units/samplers.safetensors");
  const StoredFloats& start = golden.at("x_init");
  const Floats& target = golden.at("target").values;
  const char* solver = GetParam() == Solver::kUniPC ? "unipc" : "dpm++";
  for (int steps : {1, 2, 3, 5, 10, 40, 50}) {
    for (int shift : {1, 3, 5, 12}) {
      const std::string key = fmt::format("{}.steps{}.shift{}", solver, steps, shift);
      const auto trajectory =
          run(GetParam(), make_schedule(GetParam(), steps, shift), start.shape, start.values, target);
      const Floats& want = golden.at(key + ".final").values;
      // Both sides round a handful of float32 sums a step; sigma_next / sigma < 1 forgets old errors, so they do not
      // pile up over more than some 8 steps' worth: 8 half-ulps at the largest value met (the start), plus 1e-6
      // for values near 0.
      const float bound = 1e-6f + 8 * 0x1p-24f * largest(start.values);
      EXPECT_LE(largest_difference(trajectory.back(), want), bound) << key;
      const auto stored = golden.find(key + ".trajectory");
      if (stored == golden.end()) continue;
      const std::span<const float> all(stored->second.values);
      ASSERT_EQ(all.size(), trajectory.size() * want.size());
      for (size_t i = 0; i < trajectory.size(); ++i)
        EXPECT_LE(largest_difference(trajectory[i], all.subspan(i * want.size(), want.size())), bound)
            << key << " step " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Solvers, GoldenSampler, testing::Values(Solver::kUniPC, Solver::kDpmPlusPlus),
                         [](const auto& test) { return test.param == Solver::kUniPC ? "UniPC" : "DpmPlusPlus"; });

constexpr Solver kAllSolvers[] = {Solver::kUniPC, Solver::kDpmPlusPlus, Solver::kEuler};

// x_sigma = (1 - sigma) x0 + sigma n with v = n - x0 constant: every solver is exact on it, whatever the schedule.
TEST(Sampler, IsExactOnAStraightPath) {
  const Shape shape{2, 3};
  const Floats x0{0.5f, -1.25f, 3.0f, -0.75f, 2.0f, 0.125f}, noise{1.0f, 2.0f, -0.5f, -3.0f, 0.25f, 1.5f};
  for (Solver kind : kAllSolvers) {
    for (int steps : {1, 2, 7, 200}) {
      for (Solver schedule_of : {Solver::kUniPC, Solver::kEuler}) {  // from 0.999.. and from exactly 1
        const Schedule schedule = make_schedule(schedule_of, steps, 12.0);
        HostBackend backend;
        const auto sampler = make_sampler(kind, schedule, shape, backend);
        Floats x(6), v(6);
        for (size_t i = 0; i < 6; ++i) {
          v[i] = noise[i] - x0[i];
          x[i] = (1.0f - schedule.sigmas[0]) * x0[i] + schedule.sigmas[0] * noise[i];
        }
        for (int i = 0; i < steps; ++i)
          sampler->step(i, {v.data(), DType::kF32, shape, Memory::kHost},
                        {x.data(), DType::kF32, shape, Memory::kHost});
        // Values reach 4.25; Euler sums `steps` rounded increments.
        EXPECT_LE(largest_difference(x, x0), 0x1p-24f * 4.25f * static_cast<float>(steps + 8))
            << static_cast<int>(kind) << " " << steps;
      }
    }
  }
}

// dx/dsigma = v = x has the solution x(0) = x(s) exp(-s): halving the step divides the error by 2 (order 1) or by 4 and
// more.
TEST(Sampler, ConvergesWithItsOrder) {
  const std::map<Solver, double> least_gain{{Solver::kEuler, 1.8}, {Solver::kDpmPlusPlus, 2.5}, {Solver::kUniPC, 3.0}};
  const Shape shape{1};
  for (Solver kind : kAllSolvers) {
    std::vector<double> errors;
    for (int steps : {64, 128}) {
      const Schedule schedule = make_schedule(kind, steps, 1.0);
      HostBackend backend;
      const auto sampler = make_sampler(kind, schedule, shape, backend);
      float x = 1.0f;
      for (int i = 0; i < steps; ++i) {
        float v = x;
        sampler->step(i, {&v, DType::kF32, shape, Memory::kHost}, {&x, DType::kF32, shape, Memory::kHost});
      }
      errors.push_back(std::abs(x - std::exp(-static_cast<double>(schedule.sigmas[0]))));
    }
    EXPECT_GE(errors[0] / errors[1], least_gain.at(kind))
        << static_cast<int>(kind) << " " << errors[0] << " " << errors[1];
  }
}

TEST(Sampler, StartsAtIndexZeroWhenFirstTimestepsCoincide) {
  const Schedule schedule = unipc_schedule(92, 12.0);
  ASSERT_EQ(schedule.timesteps[0], schedule.timesteps[1]);
  const Shape shape{1};
  HostBackend backend;
  const auto sampler = make_sampler(Solver::kUniPC, schedule, shape, backend);
  float x = 2.0f, v = 3.0f;
  sampler->step(0, {&v, DType::kF32, shape, Memory::kHost}, {&x, DType::kF32, shape, Memory::kHost});
  // A straight path moves by v times the first interval; starting at index 1 would move by the second, 1 % larger.
  const float first = schedule.sigmas[1] - schedule.sigmas[0], second = schedule.sigmas[2] - schedule.sigmas[1];
  ASSERT_GT(std::abs(second - first) * 3.0f, 4e-6f);
  EXPECT_NEAR(x, 2.0f + 3.0f * first, 2e-6);
}

TEST(Sampler, AllocatesOnlyWhenMade) {
  const Shape shape{2, 2};
  for (Solver kind : kAllSolvers) {
    HostBackend backend;
    const auto sampler = make_sampler(kind, make_schedule(kind, 5, 5.0), shape, backend);
    const int before = backend.allocations;
    Floats x(4, 1.0f), v(4, 0.5f);
    for (int run_number = 0; run_number < 2; ++run_number)
      for (int i = 0; i < 5; ++i)
        sampler->step(i, {v.data(), DType::kF32, shape, Memory::kHost}, {x.data(), DType::kF32, shape, Memory::kHost});
    EXPECT_EQ(backend.allocations, before);
  }
}

TEST(Sampler, ForgetsTheRunBeforeAtStepZero) {
  const Shape shape{3};
  for (Solver kind : kAllSolvers) {
    const Schedule schedule = make_schedule(kind, 4, 3.0);
    HostBackend backend;
    const auto sampler = make_sampler(kind, schedule, shape, backend);
    std::vector<Floats> ends;
    for (int steps_before_restart : {2, 4}) {
      Floats x{1.0f, -2.0f, 0.5f};
      for (int i = 0; i < steps_before_restart; ++i) {
        Floats v = golden_velocity(x, {0.0f, 1.0f, 2.0f}, schedule.timesteps[static_cast<size_t>(i)]);
        sampler->step(i, {v.data(), DType::kF32, shape, Memory::kHost}, {x.data(), DType::kF32, shape, Memory::kHost});
      }
      if (steps_before_restart == 4) ends.push_back(x);
    }
    EXPECT_EQ(ends.back(), run(kind, schedule, shape, {1.0f, -2.0f, 0.5f}, {0.0f, 1.0f, 2.0f}).back());
  }
}

TEST(Sampler, RefusesWrongOrderShapesAndSchedules) {
  const Shape shape{4};
  HostBackend backend;
  const auto sampler = make_sampler(Solver::kUniPC, unipc_schedule(3, 5.0), shape, backend);
  Floats x(4, 1.0f), v(4, 0.5f);
  const TensorView xs(x.data(), DType::kF32, shape, Memory::kHost), vs(v.data(), DType::kF32, shape, Memory::kHost);
  EXPECT_THROW(sampler->step(1, vs, xs), Error);
  EXPECT_THROW(sampler->step(-1, vs, xs), Error);
  sampler->step(0, vs, xs);
  EXPECT_THROW(sampler->step(2, vs, xs), Error);
  EXPECT_THROW(sampler->step(1, vs.slice(0, 0, 2), xs), Error);
  EXPECT_THROW(sampler->step(1, vs, TensorView(x.data(), DType::kI32, shape, Memory::kHost)), Error);
  sampler->step(1, vs, xs);
  sampler->step(2, vs, xs);
  EXPECT_THROW(sampler->step(3, vs, xs), Error);
  EXPECT_THROW(make_sampler(Solver::kEuler, Schedule{}, shape, backend), Error);
  EXPECT_THROW(make_sampler(Solver::kEuler, Schedule{{0.5f, 0.7f, 0.0f}, {500, 700}}, shape, backend), Error);
  EXPECT_THROW(make_sampler(Solver::kEuler, Schedule{{0.5f, 0.3f}, {500}}, shape, backend), Error);
}

}  // namespace
}  // namespace wan
