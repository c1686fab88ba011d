// The memory plan of the published models, computed without a device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "lora_files.h"
#include "pipeline/models.h"
#include "pipeline/plan.h"

namespace wan {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

struct Planned {
  ModelSet models;
  Plan plan;
};

/// TI2V-5B with random weights at 1280x704, as on a GPU.
Planned ti2v(int64_t frames) {
  Request request;
  request.random_weights = true;
  request.model = "ti2v-5B";
  request.num_frames = frames;
  request.device = "cpu";
  Planned planned{open_models(request), {}};
  planned.plan = make_plan(request, planned.models);
  planned.plan.device = planned.plan.text_encoder_device = "cuda:0";
  planned.plan.compute = planned.plan.vae_compute = DType::kBF16;
  return planned;
}

MemoryPlan plan_with(const Planned& planned, Offload offload, const MemoryLimits& limits = {UINT64_MAX, UINT64_MAX},
                     std::optional<MemorySize> limit = {}) {
  Request request;
  request.offload = offload;
  request.gpu_memory_limit = limit;
  // As a Hopper card, but with more free memory than any plan needs.
  return plan_memory(request, planned.models, planned.plan, HistoryMemory::kApart, limits);
}

TEST(MemoryPlan, KeepsTheSeedCaseUnderSeventeenGigabytesResident) {
  const MemoryPlan plan = plan_with(ti2v(161), Offload::kNone);
  EXPECT_EQ(plan.dit_residency, Residency::kResident);
  EXPECT_LE(plan.predicted_peak, 17'000'000'000u) << plan.text();
  EXPECT_GE(plan.predicted_peak, 12'000'000'000u) << "10 GB of weights alone: " << plan.text();
}

TEST(MemoryPlan, StreamsTheSeedCaseInEightGigabytesAndALongVideoInSixteen) {
  const MemoryPlan seed = plan_with(ti2v(161), Offload::kStream);
  EXPECT_EQ(seed.dit_residency, Residency::kStream);
  EXPECT_LE(seed.predicted_peak, 8'000'000'000u) << seed.text();
  EXPECT_LE(plan_with(ti2v(361), Offload::kStream).predicted_peak, 16'000'000'000u);
}

TEST(MemoryPlan, PrefersResidentWeightsWhenTheyFit) {
  EXPECT_EQ(plan_with(ti2v(161), Offload::kAuto).dit_residency, Residency::kResident);
}

TEST(MemoryPlan, StreamsWhatDoesNotFitAndRefusesWhatCannot) {
  EXPECT_EQ(plan_with(ti2v(161), Offload::kAuto, {12 * kGiB, 100 * kGiB}).dit_residency, Residency::kStream);
  try {
    plan_with(ti2v(161), Offload::kAuto, {2 * kGiB, 100 * kGiB});
    ADD_FAILURE() << "two GiB cannot hold the activations";
  } catch (const OutOfMemory& error) {
    EXPECT_GT(error.requested_bytes(), 2 * kGiB);
    EXPECT_EQ(error.free_bytes(), 2 * kGiB);
  }
}

std::string refusal(const Planned& planned, Offload offload, const MemoryLimits& limits,
                    std::optional<MemorySize> limit = {}) {
  try {
    plan_with(planned, offload, limits, limit);
  } catch (const OutOfMemory& error) {
    return error.what();
  }
  return "accepted";
}

TEST(MemoryPlan, KeepsToALimitBelowWhatIsFree) {
  const MemoryLimits card{80 * kGiB, 100 * kGiB, 80 * kGiB, 100 * kGiB};
  const Planned planned = ti2v(161);
  const MemoryPlan resident = plan_with(planned, Offload::kAuto, card);
  ASSERT_EQ(resident.dit_residency, Residency::kResident);
  EXPECT_THAT(resident.text(), testing::HasSubstr("of the 80.00 GiB that the card has free"));
  EXPECT_EQ(plan_with(planned, Offload::kAuto, card, MemorySize{resident.predicted_peak}).dit_residency,
            Residency::kResident)
      << "to the last byte";
  const MemoryPlan streamed = plan_with(planned, Offload::kAuto, card, MemorySize{resident.predicted_peak - 1});
  EXPECT_EQ(streamed.dit_residency, Residency::kStream);
  const MemoryPlan small = plan_with(planned, Offload::kAuto, card, MemorySize{8 * kGiB});
  EXPECT_LE(small.predicted_peak, 8 * kGiB);
  EXPECT_THAT(small.text(), testing::HasSubstr("of the 8.00 GiB of --gpu-memory-limit"));
  EXPECT_THAT(plan_with(planned, Offload::kAuto, card, MemorySize{81 * kGiB}).text(),
              testing::HasSubstr("of the 80.00 GiB that the card has free"))
      << "the less of the two bounds it";
}

TEST(MemoryPlan, LoadedModelsServeRequestsOfTheirLimitAlone) {
  Planned planned = ti2v(161);
  const MemoryPlan memory = plan_with(planned, Offload::kNone);
  const std::string unlimited = models_key({}, planned.plan, memory);
  planned.plan.gpu_memory_limit = MemorySize{16 * kGiB};
  const std::string limited = models_key({}, planned.plan, memory);
  EXPECT_NE(limited, unlimited);
  planned.plan.gpu_memory_limit = MemorySize{24 * kGiB};
  EXPECT_NE(models_key({}, planned.plan, memory), limited);
}

TEST(MemoryPlan, SaysWhichOfFreeMemoryAndLimitIsTooSmall) {
  const Planned planned = ti2v(361);
  const MemoryLimits card{80 * kGiB, 100 * kGiB, 80 * kGiB, 100 * kGiB};
  EXPECT_THAT(refusal(planned, Offload::kAuto, card, MemorySize{6 * kGiB}),
              testing::AllOf(testing::HasSubstr("all that --gpu-memory-limit allows counted as free"),
                             testing::HasSubstr("6442450944 bytes (6.00 GiB) free"),
                             testing::HasSubstr("the largest that fits: ")));
  const MemoryLimits held{6 * kGiB, 100 * kGiB, 80 * kGiB, 100 * kGiB};
  EXPECT_THAT(refusal(planned, Offload::kAuto, held),
              testing::AllOf(testing::HasSubstr("by what the card has free now"),
                             testing::HasSubstr("even streamed weights do not fit")));
  const MemoryLimits tiny{6 * kGiB, 100 * kGiB, 6 * kGiB, 100 * kGiB};
  EXPECT_THAT(refusal(planned, Offload::kAuto, tiny), testing::HasSubstr("all of the device counted as free"));
}

TEST(MemoryPlan, CountsWhatOthersHoldOfTheCardWhereverTheWeightsAreToLive) {
  const Planned planned = ti2v(161);
  const MemoryLimits held{6 * kGiB, 100 * kGiB, 80 * kGiB, 100 * kGiB};
  EXPECT_THAT(refusal(planned, Offload::kNone, held),
              testing::AllOf(testing::HasSubstr("by what the card has free now"),
                             testing::HasSubstr("with --offload auto"), testing::HasSubstr("end what else holds")));
  EXPECT_EQ(refusal(planned, Offload::kStream, held), "accepted");
  EXPECT_THAT(refusal(planned, Offload::kStream, {4 * kGiB, 100 * kGiB, 80 * kGiB, 100 * kGiB}),
              testing::HasSubstr("by what the card has free now"));
}

TEST(MemoryPlan, ReadsTheMappedFileWhereTheHostCannotHoldTheWeights) {
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
  request.device = "cpu";
  Planned planned{open_models(request), {}};
  planned.plan = make_plan(request, planned.models);
  planned.plan.device = planned.plan.text_encoder_device = "cuda:0";
  // A few MiB of weights, and 4 GiB for everybody else.
  EXPECT_EQ(plan_with(planned, Offload::kStream, {80 * kGiB, 5 * kGiB}).dit_residency, Residency::kStream);
  const MemoryPlan mapped = plan_with(planned, Offload::kStream, {80 * kGiB, 4 * kGiB});
  EXPECT_EQ(mapped.dit_residency, Residency::kMapped);
  EXPECT_NE(mapped.text().find("mapped file"), std::string::npos) << mapped.text();
  EXPECT_EQ(plan_with(planned, Offload::kMapped).dit_residency, Residency::kMapped) << "as asked";
  EXPECT_EQ(plan_with(ti2v(161), Offload::kStream, {80 * kGiB, 4 * kGiB}).dit_residency, Residency::kStream)
      << "random weights have no file";
}

TEST(MemoryPlan, CountsWhatLorasAreMergedIn) {
  constexpr int64_t kWidth = 3072, kRank = 4;
  test::FileTensors tensors;
  test::add_pair(tensors, "blocks.7.self_attn.q.lora_A.weight", "blocks.7.self_attn.q.lora_B.weight", kWidth, kWidth,
                 kRank);
  const test::Written file(tensors);
  Planned planned = ti2v(121);
  const auto peaks = [&](Offload offload) {
    const MemoryPlan plan = plan_with(planned, offload);
    return std::pair(plan.peak_text, plan.peak_denoise);
  };
  const auto resident = peaks(Offload::kNone), streamed = peaks(Offload::kStream);
  Request request;
  request.lora = {file.path().string()};
  planned.models.loras = open_loras(request.weights().loras, *planned.models.variant, planned.models.dit);
  // Random weights: a whole matrix in F32, and both factors, three times in BF16 and filled to 16 of rank.
  constexpr int64_t kKeptRank = 16;
  static_assert(3 * kRank <= kKeptRank);
  constexpr uint64_t kWhole = kWidth * kWidth * sizeof(float) + 2 * kKeptRank * kWidth * sizeof(uint16_t);
  EXPECT_EQ(peaks(Offload::kNone), std::pair(resident.first + kWhole, resident.second + kWhole));
  // The factors, three times: memory for a chunk is there without LoRAs, as random weights are made on the device.
  const uint64_t added = peaks(Offload::kStream).first - streamed.first;
  EXPECT_GT(added, 2 * 2 * kKeptRank * kWidth * sizeof(uint16_t));
  EXPECT_LE(added, 3 * (2 * kKeptRank * kWidth * sizeof(uint16_t) + 4096));
}

/// A published model on a card, its weights resident.
MemoryPlan plan_of(const Request& request) {
  const ModelSet models = open_models(request);
  return plan_memory(request, models, make_plan(request, models, Images::kAssumed), HistoryMemory::kApart,
                     {UINT64_MAX / 2, UINT64_MAX / 2});
}

Request on_card(const char* model) {
  Request request;
  request.random_weights = true;
  request.model = model;
  request.device = "cuda:0";
  return request;
}

const StageMemory& stage_of(const MemoryPlan& plan, StageRole role) {
  for (const StageMemory& stage : plan.stages)
    if (stage.role == role) return stage;
  throw std::out_of_range("no such stage");
}

TEST(MemoryPlan, ThePeakIsThatOfTheLargestStage) {
  for (const char* model : {"t2v-A14B", "i2v-A14B", "ti2v-5B"}) {
    const MemoryPlan plan = plan_of(on_card(model));
    uint64_t largest = 0;
    for (const StageMemory& stage : plan.stages) largest = std::max(largest, stage.total());
    EXPECT_EQ(plan.predicted_peak, largest) << model;
    EXPECT_EQ(stage_of(plan, StageRole::kStepInference).own(), plan.peak_denoise) << model;
  }
}

TEST(MemoryPlan, OneBranchHoldsOneContextOfEachExpert) {
  Request request = on_card("t2v-A14B");
  const MemoryPlan two = plan_of(request);
  request.guidance_scale = request.guidance_scale_2 = 1.0;
  const MemoryPlan one = plan_of(request);
  const DitConfig& dit = variant_named(request.model).dit;
  // Keys and values of every block, and the rows they are made of, in bf16; and a velocity in F32.
  const int64_t context = 2 * dit.text_len * dit.dim * (2 * dit.num_layers + 1);
  const auto least = static_cast<uint64_t>(2 * context);
  const uint64_t less =
      stage_of(two, StageRole::kStepInference).tensors - stage_of(one, StageRole::kStepInference).tensors;
  EXPECT_GE(less, least);
  EXPECT_LE(less, least + (uint64_t{64} << 20));
}

TEST(MemoryPlan, AnImageTakesItsEncoderAndTheWholeConditioningVideo) {
  const MemoryPlan plan = plan_of(on_card("i2v-A14B"));
  const StageMemory& image = stage_of(plan, StageRole::kVaeEncoding);
  EXPECT_GT(image.vae_weights, stage_of(plan, StageRole::kVaeDecoding).vae_weights);
  EXPECT_GE(image.tensors, uint64_t{3} * 81 * 1280 * 720 * sizeof(float));
  EXPECT_THROW(stage_of(plan_of(on_card("t2v-A14B")), StageRole::kVaeEncoding), std::out_of_range);
}

}  // namespace
}  // namespace wan
