// What goes down the pipe while the monitor is on, and what waits for the end while it is off.
#include "suite/monitor_toggle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <array>

#include "base/subprocess.h"

namespace wan::suite {
namespace {

using testing::ElementsAre;

std::array<int, 2> open_pipe() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  return ends;
}

class MonitorToggleTest : public testing::Test {
 protected:
  ~MonitorToggleTest() override {
    for (const int end : ends_) ::close(end);
  }

  /// What was said since the last call, in short.
  std::vector<std::string> said() {
    constexpr size_t kMost = 65536;
    std::string text(kMost, '\0');
    pipe_.send(Fact{"mark", ""});  // so that there is something to read
    text.resize(static_cast<size_t>(::read(ends_[0], text.data(), text.size())));
    std::vector<std::string> words;
    for (const std::string& line : take_lines(text)) {
      const Message message = decode(line);
      if (const auto* monitor = std::get_if<Monitor>(&message)) words.push_back(monitor->on ? "on" : "off");
      if (const auto* begin = std::get_if<Begin>(&message)) words.push_back("begin " + begin->stage.name);
      if (const auto* span = std::get_if<StageSpan>(&message)) words.push_back(span->stage.name);
      if (std::holds_alternative<Memory>(message)) words.push_back("memory");
    }
    return words;
  }
  void step(MonitorToggle& toggle, int index) {
    toggle.on_begin({StageRole::kStepInference, index}, 4);
    StageSpan span;
    span.stage = {StageRole::kStepInference, index};
    toggle.on_span(span);
  }

  std::array<int, 2> ends_ = open_pipe();
  PipeObserver pipe_{ends_[1]};
};

TEST_F(MonitorToggleTest, BeginsOnAndSwitchesWithTheBlocks) {
  MonitorToggle toggle(
      pipe_, 2, [](int64_t block) { return block == 1; }, "");
  toggle.on_begin({StageRole::kTextEncoding}, 4);
  EXPECT_THAT(said(), ElementsAre("on", "begin T5_Encoding"));
  step(toggle, 0);
  toggle.on_memory({});
  step(toggle, 1);
  EXPECT_THAT(said(), ElementsAre("off"));
  step(toggle, 2);
  toggle.on_memory({});
  EXPECT_THAT(said(), ElementsAre("on", "begin Step_2_Inference", "Step_2_Inference", "memory"));
  step(toggle, 3);
  EXPECT_THAT(said(), ElementsAre("begin Step_3_Inference", "Step_3_Inference"));
  toggle.finish();
  EXPECT_THAT(said(), ElementsAre("Step_0_Inference", "Step_1_Inference"));
}

}  // namespace
}  // namespace wan::suite
