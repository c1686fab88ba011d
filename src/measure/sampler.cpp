#include "measure/sampler.h"

#include <time.h>

#include <utility>

#include "base/clock.h"

namespace wan::measure {
namespace {

int64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Sampler::Sampler(Gpu* gpu, std::string gpu_reason, int64_t period_ns) : gpu_(gpu) {
  samples_.period_ns = period_ns;
  samples_.gpu_reason = std::move(gpu_reason);
  samples_.activity_reason = samples_.gpu_reason;
  if (gpu_ == nullptr) return;
  samples_.activity_source = gpu_->facts().activity_source;
  samples_.activity_reason = gpu_->facts().activity_reason;
}

void Sampler::sample(pid_t root) {
  const int64_t before_ns = thread_cpu_ns();
  TreeReading tree = read_tree(root);
  if (tree.processes > 0) {
    samples_.machine.push_back(read_machine());
    samples_.tree.push_back(std::move(tree));
  }
  if (gpu_ != nullptr) {
    samples_.gpu.push_back(gpu_->read());
    if (auto activity = gpu_->read_activity()) samples_.activity.push_back(*activity);
  }
  samples_.sampler_cpu_ns += thread_cpu_ns() - before_ns;
  // A reading that came late moves the ones after it: a burst to catch up would only add load.
  due_ns_ = monotonic_ns() + samples_.period_ns;
}

}  // namespace wan::measure
