// Watches one video while it is made: shows where it is, and keeps what it cost.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "measure/account.h"
#include "measure/gpu.h"
#include "measure/sampler.h"
#include "pipeline/decisions.h"
#include "pipeline/expectation.h"
#include "pipeline/observer.h"
#include "results/record.h"
#include "suite/progress.h"

namespace wan::cli {

/// What is said on standard error while a video is made.
enum class Progress { kShown, kSilent };

/// What a video cost, as records have it.
struct VideoCost {
  std::vector<StageRecord> stages;     // leaves, their parts, Unattributed, Total_Execution
  std::optional<Decisions> decisions;  // none where it ended before they were made
  bool on_card = false;
};

class WatchVideo final : public Observer {
 public:
  /// `gpu` may be nullptr, then `no_gpu` says why. It is read from now on, by a thread of its own. `expected` is what
  /// is left to begin with, until a step has been timed.
  WatchVideo(measure::Gpu* gpu, std::string no_gpu, Progress progress, std::optional<ExpectedTime> expected = {});
  ~WatchVideo() override { end(); }
  WatchVideo(const WatchVideo&) = delete;
  WatchVideo& operator=(const WatchVideo&) = delete;

  void on_plan(const Plan& plan) override;
  void on_span(const StageSpan& span) override;
  void on_begin(const StageId& stage, int steps) override;
  void on_memory(const MemoryMark& mark) override;
  void on_clock(const ClockDrift&) override {}
  void on_fact(const std::string&, const std::string&) override {}

  /// When the video began: CallOptions::start_ns.
  int64_t start_ns() const { return boundaries_.front().at_ns; }
  /// The video is over, and the progress line final. May be called twice.
  void end();
  /// After `end`, once.
  VideoCost take_cost();

 private:
  void read();
  void say(const std::string& text);
  void show();
  StageId named(StageId stage) const;
  std::optional<double> left_s(const StageId& stage, int steps) const;

  Progress progress_;
  bool terminal_;
  std::optional<ExpectedTime> expected_;
  measure::Gpu* gpu_;
  int64_t step_ns_ = 0;
  std::vector<measure::TreeReading> boundaries_;
  std::vector<StageSpan> spans_;
  std::vector<MemoryMark> marks_;
  std::optional<Decisions> decisions_;
  bool on_card_ = false;
  std::mutex mutex_;  // over what the line is made of
  std::condition_variable stopping_;
  bool stop_ = false;
  suite::ProgressState state_;
  measure::Sampler sampler_;  // of the reading thread, until it has ended
  std::thread reader_;
};

}  // namespace wan::cli
