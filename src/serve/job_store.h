// The jobs on the disk: SQLite, in which every change of a job is one transaction. Whatever is killed, and whenever, a
// job is afterwards in one of its states, and none is lost or there twice. Knows no clock: times are given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/job.h"

namespace wan::serve {

class Database;

struct NewJob {
  std::string id, request, order, cost_key;
  std::string idempotency_key;  // empty: none
  std::string digest;           // of what was asked for, to know the same request again
};

enum class Admission {
  kAdded,
  kSeenBefore,  // the same request under the same key: its job is `job`, or it was deleted and there is none
  kKeyReused,   // another request under that key
  kQueueFull,
};

struct Admitted {
  Admission how = Admission::kAdded;
  std::optional<Job> job;
};

struct JobPage {
  std::vector<Job> jobs;
  bool has_more = false;
};

struct JobFilter {
  std::string after;  // id of the last job of the page before; empty: from the start
  int64_t limit = 20;
  bool newest_first = true;
};

enum class Cancelled {
  kUnknown,
  kAtOnce,     // it was queued
  kRequested,  // it is in progress: its worker is to be told
  kIsOver,     // it has its final state, another one
  kWasBefore,  // it was cancelled already
};

enum class Removed {
  kUnknown,
  kAtOnce,
  kRequested,  // it is in progress: unseen from now on, and gone when its worker has stopped
};

struct JobCounts {
  int64_t queued = 0, in_progress = 0, completed = 0, failed = 0, cancelled = 0;
};

/// Every call is safe from any thread; those that change something come one after another. All throw Error(kRuntime)
/// naming the file where the disk refuses, and have then changed nothing.
class JobStore {
 public:
  /// Opens the file, making it where it is missing. Throws Error(kInput) when it is no job store of this version.
  explicit JobStore(const std::filesystem::path& file);
  ~JobStore();

  /// Takes a job in unless `most_queued` wait already.
  Admitted add(const NewJob& job, int64_t now_ms, int64_t most_queued);

  /// Of jobs that are to be removed nothing is said any more.
  std::optional<Job> find(std::string_view id) const;
  /// Throws Error(kUsage) when `after` names no job.
  JobPage list(const JobFilter& filter) const;
  JobCounts counts() const;
  /// How many queued jobs are ahead of this number.
  int64_t queued_before(int64_t number) const;
  /// Seconds that the last completed jobs of this kind took, the newest first, at most `limit`.
  std::vector<double> service_seconds(std::string_view cost_key, int64_t limit) const;

  /// The oldest queued job, now in progress.
  std::optional<Job> claim(int64_t now_ms);

  /// Each is about one attempt: false, and nothing is changed, where the job is no longer in that one.
  bool complete(const Job& attempt, const std::string& result, uint64_t bytes, double service_s, int64_t now_ms);
  bool fail(const Job& attempt, const JobError& error, int64_t now_ms);
  bool cancel_ended(const Job& attempt, int64_t now_ms);
  /// Its worker was killed: by after_kill.
  bool give_up(const Job& attempt, int64_t now_ms);
  /// Its work was stopped by the server itself, which ends: it is queued as if it had not begun.
  bool put_back(const Job& attempt);

  Cancelled cancel(std::string_view id, int64_t now_ms);
  /// Takes a job away; one that is in progress is cancelled first.
  Removed remove(std::string_view id);

  /// At the start, before any claim: jobs that a killed server left in progress go by after_kill. Returns how many.
  int64_t recover(int64_t now_ms);
  std::vector<Kept> finished() const;
  std::vector<std::string> ids() const;
  /// Forgets keys of before `then_ms` whose job is gone.
  void forget_keys(int64_t then_ms);

 private:
  std::optional<Job> any(std::string_view id) const;
  bool settle(const Job& attempt, JobState state, int64_t now_ms);
  bool changed_one(std::string_view id);

  mutable std::mutex writing_, reading_;
  std::unique_ptr<Database> writer_, reader_;
};

}  // namespace wan::serve
