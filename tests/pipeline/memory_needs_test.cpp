// What a model's own video takes in each place for its weights, against the plans that are made of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/memory_needs.h"
#include "temporary_folder.h"

namespace wan {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

ModelSet published(const char* model) {
  Request request;
  request.random_weights = true;
  request.model = model;
  return open_models(request);
}

TEST(MemoryNeeds, AreThoseOfThePlans) {
  for (const std::string& name : model_names()) {
    const ModelSet models = published(name.c_str());
    if (models.variant->makes_clips()) continue;  // on no card yet
    const Plan plan = default_plan(models, "cuda:0");
    EXPECT_EQ(plan.width, models.variant->defaults.size.width);
    EXPECT_EQ(plan.num_frames, models.variant->defaults.size.num_frames);
    const std::vector<MemoryNeed> needs = memory_needs(models, plan, HistoryMemory::kApart);
    ASSERT_EQ(needs.size(), 3u);
    for (const MemoryNeed& need : needs) {
      Request request;
      request.offload = offload_of(need.residency);
      const MemoryPlan memory =
          plan_memory(request, models, plan, HistoryMemory::kApart, {UINT64_MAX / 2, UINT64_MAX / 2});
      EXPECT_EQ(memory.dit_residency, need.residency) << name;
      EXPECT_EQ(memory.predicted_peak, need.device) << name;
    }
    EXPECT_EQ(needs[0].residency, Residency::kResident);
    EXPECT_GT(*needs[0].device, *needs[1].device) << name;
    EXPECT_EQ(needs[1].residency, Residency::kStream);
    EXPECT_GT(needs[1].host, 8 * kGiB) << "its weights lie there";
    EXPECT_LT(needs[0].host, 4 * kGiB) << name;
    EXPECT_EQ(needs[2].residency, Residency::kMapped);
    EXPECT_LT(needs[2].host, needs[1].host);
  }
}

TEST(MemoryNeeds, OfACpuAreTheHosts) {
  const ModelSet models = published("ti2v-5B");
  const Plan plan = default_plan(models, "cpu");
  EXPECT_EQ(plan.compute, DType::kF32);
  const std::vector<MemoryNeed> needs = memory_needs(models, plan, HistoryMemory::kJoined);
  ASSERT_EQ(needs.size(), 1u);
  EXPECT_EQ(needs[0].device, std::nullopt);
  EXPECT_GT(needs[0].host, 18 * kGiB) << "5 billion weights in fp32";
}

TEST(MemoryNeeds, SayWhatIsShort) {
  const MemoryNeed resident{Residency::kResident, 10 * kGiB, kGiB};
  EXPECT_EQ(what_is_short(resident, {10 * kGiB, kGiB}), "");
  EXPECT_EQ(what_is_short(resident, {10 * kGiB - 1, kGiB}), "of the card's memory 10.0 GiB are free");
  EXPECT_EQ(what_is_short(resident, {10 * kGiB, kGiB - 1}), "of the host's memory 1.0 GiB are free");
  const MemoryNeed streamed{Residency::kStream, kGiB, 2 * kGiB};
  EXPECT_EQ(what_is_short(streamed, {kGiB, 2 * kGiB + kHostReserveBytes}), "");
  EXPECT_THAT(what_is_short(streamed, {kGiB, 2 * kGiB + kHostReserveBytes - 1}),
              testing::HasSubstr("4.0 GiB of it are left to the rest"));
}

TEST(MemoryNeeds, AreOfTheCheckpointsOwnVideo) {
  const test::TemporaryFolder folder;
  const std::filesystem::path own = folder / "own";
  std::filesystem::copy(std::filesystem::path(WAN_FIXTURES) / "mini-t2v-moe", own,
                        std::filesystem::copy_options::recursive);
  const auto plan_of = [&](const std::string& defaults) {
    write_atomically(own / "wanbench.json",
                     R"({"schema":"wanbench.checkpoint","format":1,"defaults":)" + defaults + "}");
    Request request;
    request.checkpoint = own;
    return default_plan(open_models(request), "cpu");
  };
  const Plan plan = plan_of(R"({"recipe":"20-step-split","width":96,"height":64,"num_frames":5})");
  EXPECT_EQ(plan.steps, 20);
  EXPECT_EQ(plan.low_noise_from_step(), 10);
  EXPECT_EQ(plan.latent[1], 2);
  EXPECT_THROW(plan_of(R"({"recipe":"fastwan-3"})"), Error) << "of another model";
  EXPECT_THROW(plan_of(R"({"num_frames":6})"), Error);
}

}  // namespace
}  // namespace wan
