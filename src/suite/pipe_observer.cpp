#include "suite/pipe_observer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "backend/device_clock.h"
#include "base/error.h"
#include "measure/proc.h"
#include "suite/decided.h"

namespace wan::suite {

PipeObserver::PipeObserver(int descriptor, std::map<std::string, std::string> environment)
    : descriptor_(descriptor), environment_(std::move(environment)) {
  send(Hello{});
}

void PipeObserver::on_plan(const Plan& plan) {
  const Decisions decisions = decisions_of(plan);
  task_ = decisions.task;
  Decided decided{execution_of(decisions), decisions.predicted_peak_bytes};
  decided.execution.environment = environment_;
  send(decided);
}

void PipeObserver::send(const Message& message) { send_line(encode(message)); }

void PipeObserver::send_line(std::string line) {
  line += '\n';
  const std::lock_guard lock(writing_);
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = ::write(descriptor_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error(fmt::format("the watching process has gone: {}", std::strerror(errno)));
    done += static_cast<size_t>(written);
  }
}

/// The same with the name it is published under: from here on it travels and is kept with it.
StageId PipeObserver::named(StageId stage) const {
  stage.name = stage_name(stage, task_);
  return stage;
}

void PipeObserver::on_span(const StageSpan& span) {
  StageSpan told = span;
  told.stage = named(span.stage);
  send(told);
}

void PipeObserver::on_begin(const StageId& stage, int steps) {
  send(Begin{named(stage), steps, measure::read_own_and_reset_peak()});
}

void PipeObserver::on_memory(const MemoryMark& mark) {
  send(Memory{named(mark.stage), mark.device_bytes, mark.host_bytes, mark.device_peak_bytes});
}

void PipeObserver::on_clock(const ClockDrift& drift) { send(ClockTied{drift.residual_ns, drift.uncertainty_ns}); }

void PipeObserver::on_fact(const std::string& key, const std::string& value) { send(Fact{key, value}); }

void PipeObserver::send_finished(const Outcome& outcome) {
  send(Finished{outcome.task, outcome.width, outcome.height, outcome.num_frames, outcome.fps, outcome.steps,
                outcome.video_sha256, measure::read_own_and_reset_peak(), forwards_of(outcome.forwards)});
}

}  // namespace wan::suite
