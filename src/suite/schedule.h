// Which run of a suite comes next: the order of cases, warm-ups, what is stored already, and when a case has been
// repeated often enough.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "measure/stopping.h"
#include "results/record.h"
#include "suite/plan.h"
#include "suite/record_builder.h"

namespace wan::suite {

/// Interleaved: a repeat of every case, then the next of every case, so that a slow drift of the machine falls on all
/// of them alike; warm videos at the end. Grouped: one case after the other.
enum class RunOrder { kInterleaved, kGrouped };

std::string_view to_string(RunOrder order);

struct Repetition {
  int repeats = 1;                               // cold processes of each case, when there is no rule
  std::optional<measure::StoppingRule> until{};  // decides the number of cold processes instead
  int warm_repeats = 0;                          // videos in one process, after one that does not count
  int warmups = 0;                               // cold processes of each case that do not count
  RunOrder order = RunOrder::kInterleaved;
  /// Decides the number of warm videos instead: five in a process, and five more in another as long as they disagree.
  std::optional<measure::StoppingRule> warm_until{};
  int warm_up_steps = 0;  // of the video before the warm ones; 0: as many as they have
  int first_repeat = 0;   // of the cold ones; those before it are made elsewhere
};

class Schedule {
 public:
  /// The record of a run that is there already, or nullptr; it lives as long as the schedule.
  using FindStored = std::function<const RunRecord*(const PlannedCase&, RunScope, int64_t repeat)>;
  /// Told in one line when and why a case has been repeated often enough.
  using Note = std::function<void(const std::string&)>;

  Schedule(const std::vector<PlannedCase>& plan, const Repetition& repetition, FindStored stored, Note note);

  /// The next job; nothing when all is done. Each must be `ended` before the next is asked for.
  std::optional<Job> next();
  void ended(const Job& job, const std::vector<RunRecord>& records);
  /// In place of `ended`: nothing more of the job's case comes.
  void leave_out(const Job& job);

  /// Jobs still to come; with a stopping rule the least number of them.
  int64_t left() const;
  int64_t skipped() const { return skipped_; }  // counted videos that were there already

 private:
  /// Of one case in one scope.
  struct Progress {
    int64_t next_repeat = 0;
    bool over = false;
    double seconds = 0;           // of all its runs
    std::vector<RunRecord> runs;  // kept only for a stopping rule
  };
  struct CaseState {
    const PlannedCase* planned = nullptr;
    int warmups_done = 0;
    Progress cold, warm;
    Progress& progress(RunScope scope) { return scope == RunScope::kWarm ? warm : cold; }
    const Progress& progress(RunScope scope) const { return scope == RunScope::kWarm ? warm : cold; }
  };

  CaseState& state_of(const Job& job);
  const std::optional<measure::StoppingRule>& rule(RunScope scope) const;
  void absorb(Progress& progress, RunScope scope, const RunRecord& record) const;
  bool often_enough(const CaseState& state, RunScope scope) const;
  void skip_stored(CaseState& state, RunScope scope);
  Job job_of(const CaseState& state, RunScope scope) const;
  int64_t warm_videos(const Progress& warm) const;

  Repetition repetition_;
  FindStored stored_;
  Note note_;
  std::vector<CaseState> cases_;
  int64_t skipped_ = 0;
};

}  // namespace wan::suite
