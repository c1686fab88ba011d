#include "suite/schedule.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::suite {
namespace {

constexpr std::array kScopes = {RunScope::kCold, RunScope::kWarm};  // in the order in which they are run

}  // namespace

std::string_view to_string(RunOrder order) { return order == RunOrder::kGrouped ? "grouped" : "interleaved"; }

Schedule::Schedule(const std::vector<PlannedCase>& plan, const Repetition& repetition, FindStored stored, Note note)
    : repetition_(repetition), stored_(std::move(stored)), note_(std::move(note)) {
  cases_.resize(plan.size());
  for (size_t i = 0; i < plan.size(); ++i) {
    cases_[i].planned = &plan[i];
    cases_[i].cold.next_repeat = repetition.first_repeat;
    for (const RunScope scope : kScopes) skip_stored(cases_[i], scope);
  }
}

Schedule::CaseState& Schedule::state_of(const Job& job) {
  const auto found =
      std::find_if(cases_.begin(), cases_.end(), [&](const CaseState& state) { return state.planned == job.planned; });
  require(found != cases_.end(), "a job of another plan has ended", ErrorKind::kRuntime);
  return *found;
}

const std::optional<measure::StoppingRule>& Schedule::rule(RunScope scope) const {
  return scope == RunScope::kWarm ? repetition_.warm_until : repetition_.until;
}

void Schedule::absorb(Progress& progress, RunScope scope, const RunRecord& record) const {
  if (!rule(scope)) return;
  if (const StageRecord* total = total_stage(record)) progress.seconds += double(total->wall_ns) * 1e-9;
  progress.runs.push_back(record);
}

bool Schedule::often_enough(const CaseState& state, RunScope scope) const {
  const Progress& progress = state.progress(scope);
  const bool warm = scope == RunScope::kWarm;
  if (!rule(scope)) return progress.next_repeat >= (warm ? repetition_.warm_repeats : repetition_.repeats);
  std::vector<const RunRecord*> runs;
  for (const RunRecord& run : progress.runs) runs.push_back(&run);
  const measure::StoppingDecision decision =
      decide_stopping(settling_series(runs), progress.next_repeat, progress.seconds, *rule(scope));
  if (decision.verdict == measure::StoppingVerdict::kGoOn) return false;
  const bool converged = decision.verdict == measure::StoppingVerdict::kConverged;
  note_(fmt::format("{}{}: {} after {}", state.planned->details.name, warm ? ", warm" : "",
                    converged ? "converged" : "not converged", decision.text));
  return true;
}

void Schedule::skip_stored(CaseState& state, RunScope scope) {
  Progress& progress = state.progress(scope);
  while (!progress.over) {
    progress.over = often_enough(state, scope);
    if (progress.over) return;
    const RunRecord* stored = stored_(*state.planned, scope, progress.next_repeat);
    if (stored == nullptr) return;
    absorb(progress, scope, *stored);
    ++progress.next_repeat;
    ++skipped_;
  }
}

int64_t Schedule::warm_videos(const Progress& warm) const {
  if (!repetition_.warm_until) return repetition_.warm_repeats - warm.next_repeat;
  const measure::StoppingRule& until = *repetition_.warm_until;
  if (warm.next_repeat < until.min_runs) return until.min_runs - warm.next_repeat;
  return std::max<int64_t>(1, std::min(until.min_runs, until.max_runs - warm.next_repeat));
}

Job Schedule::job_of(const CaseState& state, RunScope scope) const {
  const int64_t next = state.progress(scope).next_repeat;
  if (scope == RunScope::kWarm) return {state.planned, scope, next, warm_videos(state.warm), false};
  if (next == repetition_.first_repeat && state.warmups_done < repetition_.warmups)
    return {state.planned, scope, state.warmups_done, 1, true};
  return {state.planned, scope, next, 1, false};
}

std::optional<Job> Schedule::next() {
  if (repetition_.order == RunOrder::kGrouped) {
    for (const CaseState& state : cases_)
      for (const RunScope scope : kScopes)
        if (!state.progress(scope).over) return job_of(state, scope);
    return std::nullopt;
  }
  for (const RunScope scope : kScopes) {
    const CaseState* chosen = nullptr;
    for (const CaseState& state : cases_) {
      const Progress& progress = state.progress(scope);
      if (progress.over) continue;
      if (chosen == nullptr || progress.next_repeat < chosen->progress(scope).next_repeat) chosen = &state;
    }
    if (chosen != nullptr) return job_of(*chosen, scope);
  }
  return std::nullopt;
}

void Schedule::ended(const Job& job, const std::vector<RunRecord>& records) {
  CaseState& state = state_of(job);
  if (job.warmup) {
    ++state.warmups_done;
    return;
  }
  Progress& progress = state.progress(job.scope);
  for (const RunRecord& record : records) absorb(progress, job.scope, record);
  progress.next_repeat += job.videos;
  skip_stored(state, job.scope);
}

void Schedule::leave_out(const Job& job) {
  CaseState& state = state_of(job);
  state.cold.over = state.warm.over = true;
}

int64_t Schedule::left() const {
  int64_t count = 0;
  for (const CaseState& state : cases_) {
    if (!state.warm.over) ++count;
    if (state.cold.over) continue;
    if (state.cold.next_repeat == repetition_.first_repeat) count += repetition_.warmups - state.warmups_done;
    if (repetition_.until) {
      count += std::max<int64_t>(1, repetition_.until->min_runs - state.cold.next_repeat);
      continue;
    }
    for (int64_t repeat = state.cold.next_repeat; repeat < repetition_.repeats; ++repeat)
      if (stored_(*state.planned, RunScope::kCold, repeat) == nullptr) ++count;
  }
  return count;
}

}  // namespace wan::suite
