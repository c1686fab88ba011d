#include "suite/pipe_observer.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "measure/proc.h"
#include "suite/decided.h"

namespace wan::suite {

PipeObserver::PipeObserver(int descriptor, std::map<std::string, std::string> environment)
    : descriptor_(descriptor), environment_(std::move(environment)) {
  send(Hello{});
}

void PipeObserver::on_plan(const Plan& plan) {
  task_ = plan.variant->task;
  Decided decided{execution_of(plan), plan.memory.predicted_peak};
  decided.execution.environment = environment_;
  send(decided);
}

void PipeObserver::send(const Message& message) {
  const std::string line = encode(message) + "\n";
  const std::lock_guard lock(writing_);
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = ::write(descriptor_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Error(fmt::format("the watching process has gone: {}", std::strerror(errno)));
    done += static_cast<size_t>(written);
  }
}

void PipeObserver::on_span(const StageSpan& span) {
  send(Span{stage_name(span.stage, span.index, task_), span.index, span.component, span.hidden, span.begin_ns,
            span.end_ns, span.bytes, span.flops, span.gpu_ns, span.exposed_copy_ns, span.hidden_copy_ns});
}

void PipeObserver::on_begin(Stage stage, int index, int steps) {
  send(Begin{stage_name(stage, index, task_), index, steps, measure::read_own_and_reset_peak()});
}

void PipeObserver::on_memory(const MemoryMark& mark) {
  send(Memory{stage_name(mark.stage, mark.index, task_), mark.device_bytes, mark.host_bytes, mark.device_peak_bytes});
}

void PipeObserver::on_clock(const ClockDrift& drift) { send(ClockTied{drift.residual_ns, drift.uncertainty_ns}); }

void PipeObserver::on_fact(const std::string& key, const std::string& value) { send(Fact{key, value}); }

}  // namespace wan::suite
