// DCGM against an invented libdcgm: the windows that a host engine counts, that each refusal is a reason and nothing
// stays open, and the sampler's rung above "none".
#include "measure/dcgm_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <unistd.h>

#include <chrono>

#include "base/clock.h"
#include "measure/sampler.h"

namespace wan::measure {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kUuid = "GPU-paper";  // the second of the two that the invented engine knows
constexpr int kConnectionNotValid = -21, kNoPermission = -17, kNotSupported = -6, kProfilingNotSupported = -36;

class DcgmTest : public testing::Test {
 protected:
  DcgmTest() : library_(::dlopen(FAKE_DCGM, RTLD_NOW)) { fail("", kDcgmOk); }
  ~DcgmTest() override { ::dlclose(library_); }

  void fail(const char* function, int result) const { call<void(const char*, int)>("fake_dcgm")(function, result); }
  void count(uint16_t field, int64_t at_us, double share, int status = kDcgmOk) const {
    call<void(uint16_t, int64_t, double, int)>("fake_dcgm_count")(field, at_us, share, status);
  }
  void count_all(int64_t at_us, double sm, double tensor, double dram) const {
    count(kDcgmSmActive, at_us, sm);
    count(kDcgmTensorActive, at_us, tensor);
    count(kDcgmDramActive, at_us, dram);
  }
  int still_open() const { return call<int()>("fake_dcgm_open")(); }
  int watches() const { return call<int()>("fake_dcgm_watches")(); }

  /// A stamp so many milliseconds from now: what the engine says is newer than the beginning of the watch.
  static int64_t in_ms(int64_t ms) {
    using namespace std::chrono;
    return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count() + 1000 * ms;
  }

 private:
  template <class Signature>
  Signature* call(const char* name) const {
    return reinterpret_cast<Signature*>(::dlsym(library_, name));
  }
  void* library_;
};

TEST_F(DcgmTest, ReadsTheWindowsSinceTheLastCall) {
  DcgmSampler sampler(kUuid);
  ASSERT_EQ(sampler.reason(), "");
  const int64_t first_us = in_ms(1000);
  count_all(first_us - 3'600'000'000, 1, 1, 1);  // another client's, an hour ago
  count_all(first_us, 0.1, 0.1, 0.1);            // its begin is not known
  count_all(first_us + 100'000, 0.9, 0.5, 0.25);
  count_all(first_us + 250'000, 0.8, 0.4, 0.2);
  const int64_t now_ns = monotonic_ns(), now_us = in_ms(0);
  const auto windows = sampler.read();
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].interval.length_ns(), 100'000'000);
  EXPECT_EQ(windows[1].interval.length_ns(), 150'000'000);
  // Both clocks were read once here and once there: a second covers any pause between.
  EXPECT_NEAR(double(windows[0].interval.begin_ns - now_ns), double(first_us - now_us) * 1e3, 1e9);
  EXPECT_EQ(windows[0].sm, 0.9);
  EXPECT_EQ(windows[0].tensor, 0.5);
  EXPECT_EQ(windows[0].dram, 0.25);
  EXPECT_EQ(windows[1].sm, 0.8);
  EXPECT_TRUE(sampler.read().empty()) << "nothing is told twice";
  count_all(first_us + 350'000, 0.7, 0.3, 0.1);
  EXPECT_EQ(sampler.read().size(), 1u);
}

TEST_F(DcgmTest, BlankAndRefusedValuesAreAbsent) {
  DcgmSampler sampler(kUuid);
  const int64_t first_us = in_ms(1000);
  count_all(first_us, 0.1, 0.1, 0.1);
  count(kDcgmSmActive, first_us + 100'000, 0.9);
  count(kDcgmTensorActive, first_us + 100'000, kDcgmBlank);
  count(kDcgmDramActive, first_us + 100'000, 0.5, kNotSupported);
  count_all(first_us + 200'000, kDcgmBlank + 3, 0.5, 0.5);
  const auto windows = sampler.read();
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].sm, 0.9);
  EXPECT_FALSE(windows[0].tensor);
  EXPECT_FALSE(windows[0].dram);
  EXPECT_FALSE(windows[1].sm) << "blank, not permitted";
  EXPECT_EQ(windows[1].tensor, 0.5);
}

TEST_F(DcgmTest, WithoutTheLibraryTheReasonNamesIt) {
  constexpr const char* kNowhere[] = {"libdcgm.so.none"};
  DcgmSampler sampler(kUuid, DcgmLibrary(kNowhere));
  EXPECT_EQ(sampler.reason(), "DCGM is not installed: libdcgm.so.none cannot be loaded");
  EXPECT_TRUE(sampler.read().empty());
}

TEST_F(DcgmTest, ALibraryOfAnotherKindIsRefused) {
  constexpr const char* kOther[] = {"libc.so.6"};
  EXPECT_EQ(DcgmLibrary(kOther).reason, "this version of DCGM lacks dcgmInit");
}

TEST_F(DcgmTest, EachRefusalIsAReasonAndNothingStaysOpen) {
  const struct {
    const char* function;
    int result;
    const char* reason;
  } kRefusals[] = {
      {"init", kNotSupported, "DCGM does not start"},
      {"connect", kConnectionNotValid, "no host engine answers on this machine (nv-hostengine runs one): INVENTED"},
      {"devices", kNoPermission, "lists no GPUs"},
      {"uuid", kNotSupported, "does not know the GPU GPU-paper"},
      {"group", kNoPermission, "makes no group: INVENTED (DCGM error -17)"},
      {"add", kNoPermission, "takes no GPU into a group"},
      {"fields", kNoPermission, "makes no group of fields"},
      {"watch", kProfilingNotSupported, "does not count SM, tensor and DRAM activity: INVENTED (DCGM error -36)"},
  };
  for (const auto& refusal : kRefusals) {
    fail(refusal.function, refusal.result);
    {
      DcgmSampler sampler(kUuid);
      EXPECT_THAT(sampler.reason(), HasSubstr(refusal.reason));
      EXPECT_TRUE(sampler.read().empty());
    }
    EXPECT_EQ(still_open(), 0) << refusal.function;
  }
}

TEST_F(DcgmTest, EverythingIsTakenBackAtTheEnd) {
  {
    const DcgmSampler sampler(kUuid);
    EXPECT_EQ(still_open(), 5) << "library, connection, group, fields, watch";
  }
  EXPECT_EQ(still_open(), 0);
}

TEST_F(DcgmTest, AnEngineThatEndsIsAReason) {
  DcgmSampler sampler(kUuid);
  fail("values", kConnectionNotValid);
  EXPECT_TRUE(sampler.read().empty());
  EXPECT_THAT(sampler.reason(), HasSubstr("stopped answering: INVENTED (DCGM error -21)"));
}

/// A card before Hopper.
class OldGpu final : public Gpu {
 public:
  OldGpu() {
    facts_.uuid = kUuid;
    facts_.activity_reason = "no GPM";
  }
  const GpuFacts& facts() const override { return facts_; }
  GpuReading read() override { return {}; }
  std::optional<ActivityReading> read_activity() override { return std::nullopt; }

 private:
  GpuFacts facts_;
};

TEST_F(DcgmTest, IsTheRungBelowGpm) {
  OldGpu gpu;
  Sampler sampler(&gpu, "", CounterRung::kGpm);
  const int64_t first_us = in_ms(1000);
  count_all(first_us, 0.1, 0.1, 0.1);
  count_all(first_us + 100'000, 0.9, 0.5, 0.25);
  sampler.sample(::getpid());
  const Activity activity = activity_of(sampler.samples());
  EXPECT_EQ(activity.source, "dcgm");
  EXPECT_EQ(activity.reason, "nvml_gpm: no GPM");
  ASSERT_EQ(activity.readings.size(), 1u);
  EXPECT_EQ(activity.readings[0].sm, 0.9);
}

TEST_F(DcgmTest, WhatWasCountedStaysWhenTheEngineEnds) {
  OldGpu gpu;
  Sampler sampler(&gpu, "", CounterRung::kDcgm);
  const int64_t first_us = in_ms(1000);
  count_all(first_us, 0.1, 0.1, 0.1);
  count_all(first_us + 100'000, 0.9, 0.5, 0.25);
  sampler.sample(::getpid());
  fail("values", kConnectionNotValid);
  sampler.sample(::getpid());
  sampler.sample(::getpid());
  EXPECT_EQ(still_open(), 0);
  const Activity activity = activity_of(sampler.samples());
  EXPECT_EQ(activity.source, "dcgm");
  EXPECT_EQ(activity.readings.size(), 1u);
  EXPECT_THAT(activity.reason, StartsWith("dcgm: the host engine stopped answering"));
  EXPECT_THAT(activity.reason, testing::Not(HasSubstr("; "))) << "told once";
}

TEST_F(DcgmTest, APauseEndsTheCountingToo) {
  OldGpu gpu;
  Sampler sampler(&gpu, "", CounterRung::kDcgm);
  EXPECT_EQ(watches(), 1);
  sampler.pause();
  EXPECT_EQ(still_open(), 0);
  fail("", kDcgmOk);
  sampler.sample(::getpid());
  EXPECT_EQ(watches(), 1);
  const int64_t first_us = in_ms(1000);
  count_all(first_us, 0.9, 0.5, 0.25);
  sampler.sample(::getpid());
  EXPECT_TRUE(sampler.samples().activity.empty()) << "the time of the pause is in no window";
}

}  // namespace
}  // namespace wan::measure
