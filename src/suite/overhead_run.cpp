#include "suite/overhead_run.h"

#include <map>

#include "base/clock.h"
#include "base/log.h"
#include "suite/runner.h"

namespace wan::suite {
namespace {

class StepListener final : public Listener {
 public:
  explicit StepListener(const std::function<void(int, int)>& step_begins) : step_begins_(step_begins) {}
  void on_message(const Message& message) override {
    if (const auto* begin = std::get_if<Begin>(&message); begin != nullptr && begin->stage.index >= 0)
      step_begins_(begin->stage.index, begin->steps);
  }
  void on_output(const std::string&, int64_t) override {}
  void on_tick(const measure::Samples&) override {}
  void on_interrupt() override { log::warning(kStopping); }

 private:
  const std::function<void(int, int)>& step_begins_;
};

std::vector<double> step_seconds(const VideoLog& video) {
  std::map<int, int64_t> lengths_ns;
  for (const StageSpan& span : video.spans)
    if (span.stage.index >= 0 && span.is_leaf()) lengths_ns[span.stage.index] += span.length_ns();
  std::vector<double> seconds;
  for (const auto& [index, length_ns] : lengths_ns) seconds.push_back(seconds_from_ns(length_ns).value);
  return seconds;
}

}  // namespace

OverheadRun run_in_turns(const OverheadOptions& options, measure::Gpu* gpu, const std::string& gpu_reason,
                         const std::function<void(int step, int steps)>& step_begins) {
  const bool cupti = gpu != nullptr && options.counters == measure::CounterRung::kCupti;
  SignalWatch signals;
  WatchOptions watching;
  watching.start_option = kStartOption;
  watching.signals = &signals;
  watching.counters = options.counters;
  watching.spawn.argv = options.engine;
  for (std::string& word :
       engine_arguments(options.request, {}, WatchKernels::kNo, cupti ? SampleCounters::kYes : SampleCounters::kNo))
    watching.spawn.argv.push_back(word);
  for (const std::string& word : {std::string("--watch-in-turns"), std::to_string(options.steps_in_block)})
    watching.spawn.argv.push_back(word);
  StepListener listener(step_begins);
  OverheadRun run;
  run.watched = watch(watching, gpu, gpu_reason, listener);
  run.ending = classify(run.watched, EngineProtocol::kNative, 0);
  run.step_s = step_seconds(run.watched.videos.back());
  return run;
}

}  // namespace wan::suite
