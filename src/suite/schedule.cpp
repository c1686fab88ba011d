#include "suite/schedule.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::suite {

std::string_view to_string(RunOrder order) { return order == RunOrder::kGrouped ? "grouped" : "interleaved"; }

Schedule::Schedule(const std::vector<PlannedCase>& plan, const Repetition& repetition, FindStored stored, Note note)
    : repetition_(repetition), stored_(std::move(stored)), note_(std::move(note)) {
  cases_.resize(plan.size());
  for (size_t i = 0; i < plan.size(); ++i) {
    CaseState& state = cases_[i];
    state.planned = &plan[i];
    skip_stored(state);
    int64_t warm = 0;
    while (warm < repetition_.warm_repeats && stored_(plan[i], RunScope::kWarm, warm) != nullptr) ++warm;
    skipped_ += warm;
    state.warm_over = warm == repetition_.warm_repeats;
  }
}

Schedule::CaseState& Schedule::state_of(const Job& job) {
  const auto found =
      std::find_if(cases_.begin(), cases_.end(), [&](const CaseState& state) { return state.planned == job.planned; });
  require(found != cases_.end(), "a job of another plan has ended", ErrorKind::kRuntime);
  return *found;
}

void Schedule::absorb(CaseState& state, const RunRecord& record) const {
  if (!repetition_.until) return;
  if (const StageRecord* total = total_stage(record)) state.seconds += double(total->wall_ns) * 1e-9;
  state.runs.push_back(record);
}

bool Schedule::often_enough(const CaseState& state) const {
  if (!repetition_.until) return state.next_repeat >= repetition_.repeats;
  std::vector<const RunRecord*> runs;
  for (const RunRecord& run : state.runs) runs.push_back(&run);
  const measure::StoppingDecision decision =
      decide_stopping(measure::stopping_series(runs), state.next_repeat, state.seconds, *repetition_.until);
  if (decision.verdict == measure::StoppingVerdict::kGoOn) return false;
  const bool converged = decision.verdict == measure::StoppingVerdict::kConverged;
  note_(fmt::format("{}: {} after {}", state.planned->details.name, converged ? "converged" : "not converged",
                    decision.text));
  return true;
}

void Schedule::skip_stored(CaseState& state) {
  while (!state.cold_over) {
    state.cold_over = often_enough(state);
    if (state.cold_over) return;
    const RunRecord* stored = stored_(*state.planned, RunScope::kCold, state.next_repeat);
    if (stored == nullptr) return;
    absorb(state, *stored);
    ++state.next_repeat;
    ++skipped_;
  }
}

Job Schedule::cold_job(const CaseState& state) const {
  if (state.next_repeat == 0 && state.warmups_done < repetition_.warmups)
    return {state.planned, RunScope::kCold, state.warmups_done, 1, true};
  return {state.planned, RunScope::kCold, state.next_repeat, 1, false};
}

std::optional<Job> Schedule::warm_job(const CaseState& state) const {
  if (state.warm_over) return std::nullopt;
  int64_t first = 0;
  while (stored_(*state.planned, RunScope::kWarm, first) != nullptr) ++first;
  return Job{state.planned, RunScope::kWarm, first, repetition_.warm_repeats - first, false};
}

std::optional<Job> Schedule::next() {
  const CaseState* chosen = nullptr;
  for (const CaseState& state : cases_) {
    if (repetition_.order == RunOrder::kGrouped && state.cold_over && !state.warm_over && chosen == nullptr)
      return warm_job(state);
    if (state.cold_over) continue;
    const bool earlier =
        chosen == nullptr || (repetition_.order == RunOrder::kInterleaved && state.next_repeat < chosen->next_repeat);
    if (earlier) chosen = &state;
  }
  if (chosen != nullptr) return cold_job(*chosen);
  for (const CaseState& state : cases_)
    if (const auto job = warm_job(state)) return job;
  return std::nullopt;
}

void Schedule::ended(const Job& job, const std::vector<RunRecord>& records) {
  CaseState& state = state_of(job);
  if (job.warmup) {
    ++state.warmups_done;
  } else if (job.scope == RunScope::kWarm) {
    state.warm_over = true;
  } else {
    for (const RunRecord& record : records) absorb(state, record);
    ++state.next_repeat;
    skip_stored(state);
  }
}

int64_t Schedule::left() const {
  int64_t count = 0;
  for (const CaseState& state : cases_) {
    if (!state.warm_over) ++count;
    if (state.cold_over) continue;
    if (state.next_repeat == 0) count += repetition_.warmups - state.warmups_done;
    if (repetition_.until) {
      count += std::max<int64_t>(1, repetition_.until->min_runs - state.next_repeat);
      continue;
    }
    for (int64_t repeat = state.next_repeat; repeat < repetition_.repeats; ++repeat)
      if (stored_(*state.planned, RunScope::kCold, repeat) == nullptr) ++count;
  }
  return count;
}

}  // namespace wan::suite
