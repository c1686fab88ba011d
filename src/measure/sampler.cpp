#include "measure/sampler.h"

#include <time.h>

#include <utility>

#include <fmt/format.h>

#include "base/clock.h"

namespace wan::measure {
namespace {

int64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Activity activity_of(const Samples& samples) {
  const auto covered_ns = [](const std::vector<ActivityReading>& readings) {
    int64_t sum = 0;
    for (const ActivityReading& reading : readings) sum += reading.interval.length_ns();
    return sum;
  };
  std::vector<ActivityReading> counted = on_host_clock(samples.counters);
  if (!counted.empty() && covered_ns(counted) >= covered_ns(samples.activity))
    return {std::move(counted), std::string(source_name(CounterRung::kCupti)), samples.activity_reason};
  return {samples.activity, samples.activity.empty() ? "" : samples.activity_source, samples.activity_reason};
}

std::optional<double> latest_sm(const Samples& samples) {
  if (!samples.counters.empty() && !samples.counters.back().samples.empty())
    return samples.counters.back().samples.back().sm;
  return samples.activity.empty() ? std::nullopt : samples.activity.back().sm;
}

Sampler::Sampler(Gpu* gpu, std::string gpu_reason, CounterRung first, int64_t period_ns) : gpu_(gpu) {
  samples_.period_ns = period_ns;
  samples_.gpu_reason = std::move(gpu_reason);
  samples_.activity_reason = samples_.gpu_reason;
  if (gpu_ == nullptr) return;
  if (first == CounterRung::kNone) samples_.activity_reason = "switched_off";
  step_down_to(first);
}

/// Reads from this rung, or from the first below it that works.
void Sampler::step_down_to(CounterRung rung) {
  rung_ = rung;
  if (rung_ == CounterRung::kGpm && gpu_->facts().activity_source.empty()) {
    refuse(CounterRung::kGpm, gpu_->facts().activity_reason);
    rung_ = CounterRung::kDcgm;
  }
  if (rung_ == CounterRung::kDcgm) read_dcgm();
  samples_.activity_source = rung_ == CounterRung::kGpm || rung_ == CounterRung::kDcgm ? source_name(rung_) : "";
}

void Sampler::refuse(CounterRung rung, const std::string& reason) {
  std::string& all = samples_.activity_reason;
  all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", source_name(rung), reason);
  rung_ = CounterRung::kNone;
}

void Sampler::read_counters() {
  if (rung_ == CounterRung::kGpm)
    if (auto activity = gpu_->read_activity()) samples_.activity.push_back(*activity);
  if (rung_ == CounterRung::kDcgm) read_dcgm();
}

/// Begins counting where nothing counts yet.
void Sampler::read_dcgm() {
  if (dcgm_ == nullptr) dcgm_ = std::make_unique<DcgmSampler>(gpu_->facts().uuid);
  for (const ActivityReading& reading : dcgm_->read()) samples_.activity.push_back(reading);
  if (dcgm_->reason().empty()) return;
  refuse(CounterRung::kDcgm, dcgm_->reason());
  dcgm_.reset();
}

void Sampler::refuse_counters(const std::string& reason) {
  if (rung_ != CounterRung::kCupti) return;
  refuse(CounterRung::kCupti, reason);
  step_down_to(CounterRung::kGpm);
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
    read_counters();
  }
  samples_.sampler_cpu_ns += thread_cpu_ns() - before_ns;
  // A reading that came late moves the ones after it: a burst to catch up would only add load.
  due_ns_ = monotonic_ns() + samples_.period_ns;
}

}  // namespace wan::measure
