// PM sampling against an invented libcupti: what is counted, what a full pass leaves out, and that each refusal is a
// reason and nothing stays open.
#include "measure/pm_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cupti_result.h>
#include <dlfcn.h>

namespace wan::measure {
namespace {

using testing::HasSubstr;

class PmSamplerTest : public testing::Test {
 protected:
  PmSamplerTest() : library_(::dlopen(FAKE_PM, RTLD_NOW)) { fail("", CUPTI_SUCCESS); }
  ~PmSamplerTest() override { ::dlclose(library_); }

  void fail(const char* function, int result, size_t in_a_pass = 8) const {
    reinterpret_cast<void (*)(const char*, int, size_t)>(::dlsym(library_, "fake_pm"))(function, result, in_a_pass);
  }
  int still_open() const { return reinterpret_cast<int (*)()>(::dlsym(library_, "fake_pm_open"))(); }

 private:
  void* library_;
};

constexpr int kDevice = 1;  // the only one the invented library has

TEST_F(PmSamplerTest, ReadsTheWindowsThatEnded) {
  PmSampler sampler(kDevice);
  ASSERT_EQ(sampler.reason(), "");
  const std::vector<CounterSample> first = sampler.read();
  ASSERT_EQ(first.size(), 3u) << "of two images";
  EXPECT_EQ(first[2].begin_ns, 20'000'000);
  EXPECT_EQ(first[2].end_ns, 30'000'000);
  EXPECT_DOUBLE_EQ(*first[0].sm, 0.9);
  EXPECT_DOUBLE_EQ(*first[0].dram, 0.25) << "reads and writes together";
  EXPECT_FALSE(first[0].tensor) << "not a number";
  EXPECT_EQ(sampler.read()[0].begin_ns, 30'000'000);
}

TEST_F(PmSamplerTest, NamesWhatIsCounted) {
  const PmSampler sampler(kDevice);
  EXPECT_THAT(sampler.metrics(), HasSubstr("SM: sm__cycles_active.avg"));
  EXPECT_THAT(sampler.metrics(), HasSubstr("tensor: sm__pipe_tensor_cycles_active_realtime.avg"));
  EXPECT_THAT(sampler.metrics(), HasSubstr("dramc__read_throughput.avg.pct_of_peak_sustained_elapsed + dramc__write"));
}

TEST_F(PmSamplerTest, LeavesOutWhatDoesNotFitOnePass) {
  fail("", CUPTI_SUCCESS, 2);
  PmSampler sampler(kDevice);
  ASSERT_EQ(sampler.reason(), "");
  EXPECT_THAT(sampler.metrics(), HasSubstr("DRAM: not on this chip"));
  const std::vector<CounterSample> samples = sampler.read();
  EXPECT_TRUE(samples[0].sm);
  EXPECT_FALSE(samples[0].dram);
}

TEST_F(PmSamplerTest, EachRefusalIsAReasonAndNothingStaysOpen) {
  const struct {
    const char* function;
    CUptiResult result;
    const char* reason;
  } kRefusals[] = {
      {"availability", CUPTI_ERROR_INSUFFICIENT_PRIVILEGES, "administrators"},
      {"enable", CUPTI_ERROR_HARDWARE_BUSY, "another client holds the counters"},
      {"start", CUPTI_ERROR_UNKNOWN, "start: INVENTED"},
  };
  for (const auto& refusal : kRefusals) {
    fail(refusal.function, refusal.result);
    {
      PmSampler sampler(kDevice);
      EXPECT_THAT(sampler.reason(), HasSubstr(refusal.reason));
      EXPECT_TRUE(sampler.read().empty());
    }
    EXPECT_EQ(still_open(), 0) << refusal.function;
  }
}

TEST_F(PmSamplerTest, ACardThatDoesNotExistIsAReason) { EXPECT_THAT(PmSampler(0).reason(), HasSubstr("chip name")); }

TEST_F(PmSamplerTest, AChipWithoutTheCountersIsAReason) {
  fail("", CUPTI_SUCCESS, 0);
  EXPECT_THAT(PmSampler(kDevice).reason(), HasSubstr("none of the wanted counters on the chip paper100"));
}

TEST_F(PmSamplerTest, StopsForGoodWhenReadingFails) {
  PmSampler sampler(kDevice);
  EXPECT_EQ(sampler.read().size(), 3u);
  fail("decode", CUPTI_ERROR_UNKNOWN);
  EXPECT_TRUE(sampler.read().empty());
  EXPECT_THAT(sampler.reason(), HasSubstr("decoding"));
  fail("", CUPTI_SUCCESS);
  EXPECT_TRUE(sampler.read().empty());
}

}  // namespace
}  // namespace wan::measure
