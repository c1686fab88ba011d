// Published names of stages, made and understood.
#include "base/stage.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

TEST(Stage, EveryPublishedNameIsUnderstood) {
  for (int role = 0; role < static_cast<int>(StageRole::kOther); ++role) {
    const StageId made{static_cast<StageRole>(role), is_step(static_cast<StageRole>(role)) ? 12 : -1};
    const std::string name = published_name(made.role, made.index, "TI2V");
    const StageId understood = stage_from_name(name);
    EXPECT_EQ(understood.role, made.role) << name;
    EXPECT_EQ(understood.index, made.index) << name;
    EXPECT_EQ(understood.name, name);
  }
  EXPECT_EQ(published_name(StageRole::kStepLoading, 3, "TI2V"), "Step_3_Loading");
  EXPECT_EQ(published_name(StageRole::kStepInference, 3, "TI2V", 1), "Clip_1_Step_3_Inference");
  EXPECT_EQ(published_name(StageRole::kPreprocess, -1, "TI2V"), "TI2V_Preprocess");
}

TEST(Stage, PicturesAndFacesHaveStagesOfTheirOwn) {
  for (const auto& [role, name] :
       {std::pair{StageRole::kImageEncoding, "Image_Encoding"}, {StageRole::kFaceEncoding, "Face_Encoding"}}) {
    EXPECT_EQ(published_name(role, -1, "Animate"), name);
    EXPECT_EQ(stage_from_name(name).role, role);
  }
  EXPECT_EQ(stage_from_name("Clip_1_Face_Encoding").clip, 1);
}

TEST(Stage, AClipsStageIsThatStageOfTheClip) {
  const StageId step = stage_from_name("Clip_12_Step_3_Loading");
  EXPECT_EQ(step.role, StageRole::kStepLoading);
  EXPECT_EQ(step.index, 3);
  EXPECT_EQ(step.clip, 12);
  EXPECT_EQ(stage_from_name("Clip_0_VAE_Decoding").clip, 0);
  EXPECT_EQ(stage_from_name("Step_3_Loading").clip, -1);
  for (const char* other : {"Clip_1", "Clip_1_", "Clip_x_VAE_Decoding", "Clip_1VAE_Decoding",
                            "Clip_123456_VAE_Decoding", "Clip_1_Clip_1_VAE_Decoding"}) {
    EXPECT_EQ(stage_from_name(other).role, StageRole::kOther) << other;
    EXPECT_EQ(stage_from_name(other).clip, -1) << other;
  }
}

TEST(Stage, OtherTextsAreStagesOfTheirOwnProgram) {
  EXPECT_EQ(stage_from_name("Step_99999_Loading").index, 99999);
  for (const char* other :
       {"Step_x_Inference", "Step_12", "Step_123456_Inference", "Step_-1_Loading", "Step_", "Step_1_Loading ", "",
        "load", "step_1_loading", "Step_1_Inference#2", "Step_99999999999999999999_Loading"}) {
    const StageId id = stage_from_name(other);
    EXPECT_EQ(id.role, StageRole::kOther) << other;
    EXPECT_EQ(id.index, -1) << other;
    EXPECT_EQ(id.name, other);
  }
}

}  // namespace
}  // namespace wan
