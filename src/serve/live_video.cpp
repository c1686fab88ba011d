#include "serve/live_video.h"

#include <algorithm>

namespace wan::serve {
namespace {

/// The name under which all steps stand together.
std::string name_of(const StageId& stage) {
  if (stage.role == StageRole::kStepInference) return "Steps";
  if (stage.role == StageRole::kStepLoading) return "Steps_Loading";
  return stage.name;
}

constexpr int kShareOfSteps = 90;

}  // namespace

bool LiveVideo::take(const WorkerMessage& message) {
  if (const auto* expected = std::get_if<ExpectedVideo>(&message)) {
    expected_ = *expected;
    ++version_;
    return true;
  }
  if (const auto* made = std::get_if<PreviewMade>(&message)) {
    preview_step_ = made->step;
    ++version_;
    return true;
  }
  const bool is_shown = take_said(std::get<suite::Message>(message));
  if (is_shown) ++version_;
  return is_shown;
}

bool LiveVideo::take_said(const suite::Message& message) {
  if (const auto* next = std::get_if<suite::NextVideo>(&message)) begin_ns_ = next->own.at_ns;
  if (const auto* decided = std::get_if<suite::Decided>(&message)) {
    device_ = decided->execution.device;
    residency_ = decided->execution.residency;
  }
  if (const auto* memory = std::get_if<suite::Memory>(&message); memory != nullptr && memory->device_peak_bytes)
    peak_device_bytes_ = std::max(peak_device_bytes_.value_or(0), *memory->device_peak_bytes);
  if (const auto* finished = std::get_if<suite::Finished>(&message)) {
    end_ns_ = finished->own.at_ns;
    peak_host_bytes_ = std::max(peak_host_bytes_.value_or(0), finished->own.memory.high_water);
  }
  if (const auto* begin = std::get_if<suite::Begin>(&message)) {
    peak_host_bytes_ = std::max(peak_host_bytes_.value_or(0), begin->own.memory.high_water);
    stage_ = begin->stage.name;
    steps_ = begin->steps;
    if (is_step(begin->stage.role) && begin->stage.index >= 0) step_ = begin->stage.index + 1;
    return true;
  }
  if (const auto* span = std::get_if<StageSpan>(&message); span != nullptr && span->is_leaf()) {
    add_span(*span);
    return true;
  }
  return false;
}

void LiveVideo::add_span(const StageSpan& span) {
  const double seconds = static_cast<double>(span.length_ns()) * 1e-9;
  if (span.stage.role == StageRole::kStepInference) step_seconds_.push_back(seconds);
  const std::string name = name_of(span.stage);
  const auto known = std::ranges::find(stages_, name, &StageTime::name);
  if (known != stages_.end())
    known->seconds += seconds;
  else
    stages_.push_back({name, seconds});
}

int LiveVideo::progress() const {
  if (steps_ <= 0) return 0;
  const auto done = static_cast<int>(step_seconds_.size());
  return std::min(kShareOfSteps * done / steps_, 99);
}

std::optional<double> LiveVideo::service_s() const {
  if (!begin_ns_ || !end_ns_) return std::nullopt;
  return static_cast<double>(*end_ns_ - *begin_ns_) * 1e-9;
}

}  // namespace wan::serve
