// Shows a suite's run to a person: one line that changes on a terminal, plain lines elsewhere.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "suite/runner.h"

namespace wan::suite {

/// What a progress line is made of; absent values are not shown.
struct ProgressState {
  std::string case_name;
  int64_t number = 0, count = 0;  // of the runs of this call
  std::optional<int> video;       // from 1, of a process that makes several for one record
  std::string stage;
  int step = -1, steps = 0;
  double elapsed_s = 0;
  std::optional<double> left_s;
  std::optional<uint64_t> resident_bytes, gpu_bytes;
  std::optional<double> cores, power_w, sm_active;
};

/// What was read last.
void show_readings(ProgressState& state, const measure::Samples& samples);

/// One line of at most `width` characters: whatever does not fit is left out, from the end. Without runs to count
/// (`count` 0) it begins with the stage.
std::string progress_line(const ProgressState& state, size_t width);

/// Seconds left in the current video: from the last one of the same case where there was one, else from the steps.
std::optional<double> estimate_left(double elapsed_s, std::optional<double> last_total_s, double step_s,
                                    int steps_left);

enum class DisplayStyle { kTerminal, kLines };

class ProgressDisplay final : public Display {
 public:
  using Write = std::function<void(std::string_view)>;
  ProgressDisplay(DisplayStyle style, Write write, size_t width = 100);
  void run_begins(const PlannedCase& planned, const Job& job, int64_t number, int64_t count) override;
  void message(const Message& message) override;
  void tick(const measure::Samples& samples) override;
  void run_ends(const std::vector<RunRecord>& records) override;
  void note(const std::string& text) override;

 private:
  void draw();
  void line(const std::string& text);
  DisplayStyle style_;
  Write write_;
  size_t width_;
  ProgressState state_;
  int64_t begin_ns_ = 0;
  double step_s_ = 0;
  std::map<std::string, double> last_total_s_;  // of each case
};

}  // namespace wan::suite
