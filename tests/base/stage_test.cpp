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
  EXPECT_EQ(published_name(StageRole::kPreprocess, -1, "TI2V"), "TI2V_Preprocess");
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
