#include "suite/progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/terminal.h"

namespace wan::suite {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// Cores the tree used between the last two samples.
std::optional<double> recent_cores(const measure::Samples& samples) {
  if (samples.tree.size() < 2) return std::nullopt;
  const auto &before = samples.tree[samples.tree.size() - 2], &now = samples.tree.back();
  if (now.at_ns <= before.at_ns) return std::nullopt;
  return double(now.cpu_ns - before.cpu_ns) / double(now.at_ns - before.at_ns);
}

}  // namespace

std::string progress_line(const ProgressState& state, size_t width) {
  std::string line;
  if (state.count > 0) line = fmt::format("[{}/{}] {}  ", state.number, state.count, state.case_name);
  if (state.video) line += fmt::format("video {}, ", *state.video);
  if (state.step >= 0 && state.steps > 0)
    line += fmt::format("step {}/{}", state.step + 1, state.steps);
  else
    line += state.stage.empty() ? "starting" : state.stage;
  // The most wanted first: what does not fit any more is left out whole.
  std::vector<std::string> parts = {"  " + duration_text(state.elapsed_s)};
  if (state.left_s) parts.push_back(fmt::format(", about {} left", duration_text(*state.left_s)));
  if (state.gpu_bytes) parts.push_back(fmt::format("  GPU {:.1f} GiB", double(*state.gpu_bytes) / kGiB));
  if (state.power_w) parts.push_back(fmt::format("  {:.0f} W", *state.power_w));
  if (state.sm_active) parts.push_back(fmt::format("  SM {:.0f} %", 100 * *state.sm_active));
  if (state.cores) parts.push_back(fmt::format("  {:.1f} cores", *state.cores));
  if (state.resident_bytes) parts.push_back(fmt::format("  RAM {:.2f} GiB", double(*state.resident_bytes) / kGiB));
  for (const std::string& part : parts) {
    if (line.size() + part.size() > width) break;
    line += part;
  }
  return terminal_text(line).substr(0, width);
}

void show_readings(ProgressState& state, const measure::Samples& samples) {
  state.cores = recent_cores(samples);
  if (!samples.tree.empty()) state.resident_bytes = samples.tree.back().memory.resident();
  if (!samples.gpu.empty()) {
    state.gpu_bytes = samples.gpu.back().device_bytes;
    state.power_w = samples.gpu.back().power_w;
  }
  state.sm_active = measure::latest_sm(samples);
}

std::optional<double> estimate_left(double elapsed_s, std::optional<double> last_total_s, double step_s,
                                    int steps_left) {
  if (last_total_s) return std::max(0.0, *last_total_s - elapsed_s);
  if (step_s > 0 && steps_left > 0) return step_s * steps_left;
  return std::nullopt;
}

ProgressDisplay::ProgressDisplay(DisplayStyle style, Write write, size_t width)
    : style_(style), write_(std::move(write)), width_(width) {}

void ProgressDisplay::line(const std::string& text) {
  const std::string fit = terminal_text(text);
  write_(style_ == DisplayStyle::kTerminal ? "\r\033[K" + fit + "\n" : fit + "\n");
}

void ProgressDisplay::draw() {
  state_.elapsed_s = seconds_from_ns(monotonic_ns() - begin_ns_).value;
  const auto last = last_total_s_.find(state_.case_name);
  const int steps_left = state_.step >= 0 ? state_.steps - state_.step : 0;
  // Of several videos it is not known here how many are to come, nor in what precision.
  if (!state_.video)
    state_.left_s =
        estimate_left(state_.elapsed_s, last == last_total_s_.end() ? std::nullopt : std::optional(last->second),
                      step_s_, steps_left);
  if (style_ == DisplayStyle::kTerminal) write_("\r\033[K" + progress_line(state_, width_));
}

void ProgressDisplay::run_begins(const PlannedCase& planned, const Job& job, int64_t number, int64_t count) {
  state_ = {};
  state_.case_name = planned.details.name;
  state_.number = number;
  state_.count = count;
  begin_ns_ = monotonic_ns();
  step_s_ = 0;
  if (job.fidelity != nullptr) state_.video = 1;
  const std::string what = job.warmup                     ? ", warm-up"
                           : job.traced                   ? ", watching kernels"
                           : job.fidelity != nullptr      ? ", fidelity against " + job.fidelity->pair.reference.name
                           : job.scope == RunScope::kWarm ? fmt::format(", {} warm videos", job.videos)
                                                          : fmt::format(", repeat {}", job.first_repeat + 1);
  if (style_ == DisplayStyle::kLines) line(fmt::format("[{}/{}] {}{}", number, count, state_.case_name, what));
}

void ProgressDisplay::message(const Message& message) {
  if (const auto* next = std::get_if<NextVideo>(&message); next != nullptr && state_.video)
    state_.video = next->index + 1;
  if (const auto* begin = std::get_if<Begin>(&message)) {
    state_.stage = begin->stage.name;
    state_.step = begin->stage.index;
    state_.steps = begin->steps;
    draw();
    if (style_ == DisplayStyle::kLines) line("  " + progress_line(state_, width_));
  }
  if (const auto* span = std::get_if<StageSpan>(&message);
      span != nullptr && span->component.empty() && span->stage.role == StageRole::kStepInference)
    step_s_ = seconds_from_ns(span->end_ns - span->begin_ns).value;
}

void ProgressDisplay::tick(const measure::Samples& samples) {
  show_readings(state_, samples);
  draw();
}

void ProgressDisplay::run_ends(const std::vector<RunRecord>& records) {
  for (const RunRecord& record : records) {
    const StageRecord* total = total_stage(record);
    const double seconds = total == nullptr ? 0 : seconds_from_ns(total->wall_ns).value;
    if (record.status == RunStatus::kOk) last_total_s_[record.run_case.name] = seconds;
    std::string text = fmt::format("[{}/{}] {}  {}  {:.2f} s", state_.number, state_.count, record.run_case.name,
                                   to_string(record.status), seconds);
    if (record.error) text += "  " + record.error->message;
    for (const ValidityFlag& flag : record.validity)
      if (flag.excludes) text += fmt::format("  ({})", flag.name);
    line(text);
  }
}

void ProgressDisplay::note(const std::string& text) { line(text); }

}  // namespace wan::suite
