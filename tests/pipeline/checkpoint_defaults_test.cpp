// Defaults that travel with a checkpoint: what its file may say, and that what the user says is stronger.
#include "pipeline/checkpoint_defaults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "model/official_layout.h"
#include "pipeline/plan.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path mini() { return fs::path(WAN_FIXTURES) / "mini-ti2v-t2v"; }

/// A folder that leads to the miniature's files and has a wanbench.json of its own.
class CheckpointDefaults : public testing::Test {
 protected:
  CheckpointDefaults() {
    for (const auto& entry : fs::directory_iterator(mini()))
      fs::create_symlink(fs::absolute(entry.path()), folder_ / entry.path().filename());
  }
  void say(const std::string& text) const { write_atomically(folder_ / kCheckpointDefaultsName, text); }
  void say_defaults(const std::string& defaults) const {
    say(R"({"schema": "wanbench.checkpoint", "format": 1, "defaults": )" + defaults + "}");
  }
  std::string refusal() const {
    try {
      read_checkpoint_defaults(folder_.path());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "taken";
  }
  Plan plan(Request request = {}) const {
    request.checkpoint = folder_.path();
    request.device = "cpu";
    return make_plan(request, open_models(request));
  }

  const test::TemporaryFolder folder_;
};

TEST_F(CheckpointDefaults, ReplaceTheModelsOwnAndNothingTheUserSaid) {
  say_defaults(R"({"width": 128, "height": 96, "num_frames": 17, "steps": 20, "shift": 3.5, "guidance_scale": 2.5})");
  const Plan own = plan();
  EXPECT_EQ(own.width, 128);
  EXPECT_EQ(own.height, 96);
  EXPECT_EQ(own.num_frames, 17);
  EXPECT_EQ(own.steps, 20);
  EXPECT_EQ(own.shift, 3.5);
  EXPECT_EQ(own.guidance_low, 2.5);
  Request asked;
  asked.width = 96;
  asked.height = 64;
  asked.num_frames = 5;
  asked.steps = 2;
  asked.shift = 7;
  asked.guidance_low = 4;
  const Plan given = plan(asked);
  EXPECT_EQ(given.width, 96);
  EXPECT_EQ(given.height, 64);
  EXPECT_EQ(given.num_frames, 5);
  EXPECT_EQ(given.steps, 2);
  EXPECT_EQ(given.shift, 7);
  EXPECT_EQ(given.guidance_low, 4);
}

TEST_F(CheckpointDefaults, MayNameTheRecipeThatTheCheckpointIsMadeFor) {
  say_defaults(R"({"num_frames": 17, "recipe": "fastwan-3", "shift": 8})");
  const Plan own = plan();
  EXPECT_EQ(own.recipe->name, "fastwan-3");
  EXPECT_EQ(own.steps, 3);
  EXPECT_EQ(own.shift, 8);
  Request official;
  official.recipe = "official";
  EXPECT_EQ(plan(official).steps, 50);
  EXPECT_EQ(plan(official).shift, 5) << "the shift is of the checkpoint's own recipe";
  EXPECT_EQ(plan(official).num_frames, 17);
}

TEST_F(CheckpointDefaults, OfSamplingAreNotForAnotherRecipe) {
  say_defaults(R"({"num_frames": 17, "steps": 20, "shift": 3.5, "guidance_scale": 2.5})");
  Request asked;
  asked.recipe = "fastwan-3";
  const Plan few = plan(asked);
  EXPECT_EQ(few.steps, 3);
  EXPECT_EQ(few.shift, 5);
  EXPECT_EQ(few.guidance_low, 1);
  EXPECT_EQ(few.num_frames, 17);
}

TEST_F(CheckpointDefaults, SayWhatOf8BitsThisModelBears) {
  say_defaults(R"({"quantize": "qkv,ffn", "whole_blocks": 1, "whole_steps": 2})");
  Request asked;
  asked.dit_precision = Precision::k8Bit;
  EXPECT_EQ(words_of(plan(asked).quantization), "qkv,ffn");
  EXPECT_EQ(plan(asked).quantization.whole_blocks, 1);
  EXPECT_EQ(plan(asked).quantization.whole_steps, 2);
  Request other;
  other.precision = Precision::k8Bit;
  EXPECT_EQ(plan(other).quantization, plan(asked).quantization);
  asked.whole_blocks = 0;
  EXPECT_EQ(words_of(plan(asked).quantization), kUsuallyQuantized) << "who says a part of it says all";
  EXPECT_EQ(plan(asked).quantization.whole_steps, 0);
  Request named;
  named.dit_precision = Precision::kInt8;
  EXPECT_EQ(words_of(plan(named).quantization), kUsuallyQuantized);
  EXPECT_FALSE(plan().quantization.any());
}

TEST_F(CheckpointDefaults, WithoutAFileTheModelsOwnStand) {
  EXPECT_EQ(plan().width, 1280);
  EXPECT_EQ(plan().steps, 50);
}

TEST_F(CheckpointDefaults, RefuseWhatIsNoDefaultOfACheckpoint) {
  say_defaults(R"({"prompt": "x"})");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("wanbench.json"), HasSubstr("'prompt'"), HasSubstr("num_frames")));
  say_defaults(R"({"steps": 0.5})");
  EXPECT_THAT(refusal(), HasSubstr("'steps' must be"));
  say_defaults(R"({"quantize": "qkv,head"})");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("wanbench.json"), HasSubstr("'quantize'"), HasSubstr("head")));
  say_defaults(R"({"width": 128})");
  EXPECT_THAT(refusal(), HasSubstr("go together"));
  say_defaults(R"([1])");
  EXPECT_THAT(refusal(), HasSubstr("wanbench.json"));
  say(R"({"schema": "wanbench.suite", "format": 1})");
  EXPECT_THAT(refusal(), HasSubstr("wanbench.checkpoint"));
  say(R"({"schema": "wanbench.checkpoint", "format": 2})");
  EXPECT_THAT(refusal(), HasSubstr("'format' is 2"));
  say(std::string(1 << 17, ' '));
  EXPECT_THAT(refusal(), HasSubstr("wanbench.json"));
}

}  // namespace
}  // namespace wan
