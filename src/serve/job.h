// What the server knows of one video that was asked for, and the rules of its life: pure, without clock, file or
// database.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/enum_names.h"

namespace wan::serve {

/// In the order of a life. The first four words are those of the open servers' `status`; none of them has the last.
enum class JobState { kQueued, kInProgress, kCompleted, kFailed, kCancelled };

/// Why a job failed, for programs and for people.
struct JobError {
  std::string code;  // "out_of_memory", "worker_crashed", ...
  std::string message;
  std::string advice;  // empty: none is known
  bool operator==(const JobError&) const = default;
};

/// Times are milliseconds since 1970, by a clock that the caller chooses.
struct Job {
  enum class Cancel { kNo, kYes, kAndRemove };  // what is to happen to one in progress

  std::string id;
  int64_t number = 0;  // in the order in which jobs were taken in
  JobState state = JobState::kQueued;
  std::string request;   // the engine's, as request_json writes it, without files of its own
  std::string order;     // what the client asked for, as JSON: order.h
  std::string cost_key;  // equal for two jobs that take the same time
  int64_t created_ms = 0;
  std::optional<int64_t> started_ms, ended_ms;  // of the last attempt; when it took its final state
  int attempts = 0;                             // starts of its work
  Cancel cancel_requested = Cancel::kNo;
  std::optional<JobError> error;  // of a failed one
  std::string result;             // of a completed one, as JSON: outcome.h
  uint64_t bytes = 0;             // of its files, once completed
  std::optional<double> service_s;

  bool is_over() const {
    return state == JobState::kCompleted || state == JobState::kFailed || state == JobState::kCancelled;
  }
};

/// A job whose worker was killed from outside is started once more, and then fails.
inline constexpr int kMostAttempts = 2;

/// What becomes of a job in progress whose worker, or server, was killed.
JobState after_kill(int attempts, bool cancel_requested);

/// Of such a job that fails.
JobError killed_too_often(int attempts);

/// How long finished jobs are kept. Nothing: without bound.
struct Retention {
  std::optional<int64_t> age_ms;
  std::optional<uint64_t> bytes;  // of all files together
};

/// A finished job, as retention sees it.
struct Kept {
  std::string id;
  int64_t ended_ms = 0;
  uint64_t bytes = 0;
};

/// Those of `finished` that are to go now: the ones that are too old, then the oldest until the others' files fit.
std::vector<std::string> outlived(std::vector<Kept> finished, const Retention& retention, int64_t now_ms);

/// When a job that ended then goes by its age; nothing where age bounds nothing.
std::optional<int64_t> expires_ms(int64_t ended_ms, const Retention& retention);

/// "video_" and 32 hexadecimal digits of the system's random numbers: nobody guesses another's.
std::string new_job_id();

/// Whether a text has the form of one: what may be looked for, or stand in a file's name.
bool is_job_id(std::string_view text);

}  // namespace wan::serve

template <>
struct wan::EnumNames<wan::serve::JobState> {
  static constexpr std::array<std::pair<wan::serve::JobState, std::string_view>, 5> kTable{{
      {wan::serve::JobState::kQueued, "queued"},
      {wan::serve::JobState::kInProgress, "in_progress"},
      {wan::serve::JobState::kCompleted, "completed"},
      {wan::serve::JobState::kFailed, "failed"},
      {wan::serve::JobState::kCancelled, "cancelled"},
  }};
};
