#include "serve/job_store.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "serve/database.h"

namespace wan::serve {
namespace {

using Json = nlohmann::json;

constexpr int64_t kStoreVersion = 1;
constexpr const char* kIsSeen = "cancel_requested < 2";  // 1: to be cancelled; 2: and then removed
constexpr int64_t kApplicationId = 0x776e6a62;           // "wnjb", in the file's header

constexpr const char* kTables = R"(
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, state TEXT NOT NULL, request TEXT NOT NULL,
  "order" TEXT NOT NULL, cost_key TEXT NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0, cancel_requested INTEGER NOT NULL DEFAULT 0, error TEXT,
  result TEXT NOT NULL DEFAULT '', bytes INTEGER NOT NULL DEFAULT 0, service_s REAL);
CREATE INDEX jobs_by_state ON jobs (state, number);
CREATE INDEX jobs_by_cost ON jobs (cost_key, state, ended_ms);
CREATE TABLE keys (key TEXT PRIMARY KEY, digest TEXT NOT NULL, job_id TEXT NOT NULL, created_ms INTEGER NOT NULL);
)";

constexpr const char* kColumns =
    R"(number, id, state, request, "order", cost_key, created_ms, started_ms, ended_ms, attempts, cancel_requested,
error, result, bytes, service_s)";

std::string_view word(JobState state) { return enum_name(state); }

std::string text_of(const JobError& error) {
  return Json{{"code", error.code}, {"message", error.message}, {"advice", error.advice}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

std::optional<JobError> error_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const Json json = parse_json(text, "an error in the job store");
  return JobError{json.value("code", ""), json.value("message", ""), json.value("advice", "")};
}

Job job_of(const Statement& row) {
  Job job;
  job.number = row.integer(0);
  job.id = row.text(1);
  const auto state = enum_value<JobState>(row.text(2));
  require(state.has_value(), fmt::format("job store: job {} has the unknown state '{}'", job.id, row.text(2)));
  job.state = *state;
  job.request = row.text(3);
  job.order = row.text(4);
  job.cost_key = row.text(5);
  job.created_ms = row.integer(6);
  job.started_ms = row.integer_or_null(7);
  job.ended_ms = row.integer_or_null(8);
  job.attempts = static_cast<int>(row.integer(9));
  job.cancel_requested = static_cast<Job::Cancel>(std::clamp<int64_t>(row.integer(10), 0, 2));
  job.error = error_of(row.text(11));
  job.result = row.text(12);
  job.bytes = static_cast<uint64_t>(row.integer(13));
  job.service_s = row.number_or_null(14);
  return job;
}

std::optional<Job> find_in(Database& database, std::string_view id) {
  Statement select(database, fmt::format("SELECT {} FROM jobs WHERE id = ?", kColumns));
  select.bind(id);
  if (!select.step()) return std::nullopt;
  return job_of(select);
}

int64_t count_of(Database& database, JobState state) {
  Statement select(database, "SELECT count(*) FROM jobs WHERE state = ?");
  select.bind(word(state)).step();
  return select.integer(0);
}

int64_t pragma(Database& database, const char* name) {
  Statement select(database, fmt::format("PRAGMA {}", name));
  select.step();
  return select.integer(0);
}

/// The tables of a new file, or the certainty that the file is one of ours.
void prepare(Database& database, const std::filesystem::path& file) {
  Transaction whole(database);
  Statement tables(database, "SELECT count(*) FROM sqlite_master");
  tables.step();
  const bool is_new = tables.integer(0) == 0 && pragma(database, "application_id") == 0;
  if (is_new) {
    database.run(kTables);
    database.run(fmt::format("PRAGMA application_id = {}", kApplicationId));
    database.run(fmt::format("PRAGMA user_version = {}", kStoreVersion));
    whole.commit();
    return;
  }
  require(pragma(database, "application_id") == kApplicationId,
          fmt::format("{}: expected a job store of wanbench or no file, found another database; it is left as it is, "
                      "choose another --output",
                      file.string()));
  const int64_t version = pragma(database, "user_version");
  require(version == kStoreVersion, fmt::format("{}: expected a job store of version {}, found version {}; choose "
                                                "another --output, or serve this one with the program that made it",
                                                file.string(), kStoreVersion, version));
}

}  // namespace

JobStore::JobStore(const std::filesystem::path& file)
    : writer_(std::make_unique<Database>(file, Database::Access::kWrite)) {
  prepare(*writer_, file);
  reader_ = std::make_unique<Database>(file, Database::Access::kRead);
}

JobStore::~JobStore() = default;

Admitted JobStore::add(const NewJob& job, int64_t now_ms, int64_t most_queued) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  if (!job.idempotency_key.empty()) {
    Statement known(*writer_, "SELECT digest, job_id FROM keys WHERE key = ?");
    known.bind(job.idempotency_key);
    if (known.step()) {
      const bool is_same = known.text(0) == job.digest;
      return {is_same ? Admission::kSeenBefore : Admission::kKeyReused,
              is_same ? find_in(*writer_, known.text(1)) : std::nullopt};
    }
  }
  if (count_of(*writer_, JobState::kQueued) >= most_queued) return {Admission::kQueueFull, std::nullopt};
  Statement insert(*writer_,
                   R"(INSERT INTO jobs (id, state, request, "order", cost_key, created_ms) VALUES (?,?,?,?,?,?))");
  insert.bind(job.id).bind(word(JobState::kQueued)).bind(job.request).bind(job.order).bind(job.cost_key).bind(now_ms);
  insert.step();
  if (!job.idempotency_key.empty()) {
    Statement remember(*writer_, "INSERT INTO keys VALUES (?,?,?,?)");
    remember.bind(job.idempotency_key).bind(job.digest).bind(job.id).bind(now_ms).step();
  }
  std::optional<Job> added = find_in(*writer_, job.id);
  whole.commit();
  return {Admission::kAdded, std::move(added)};
}

std::optional<Job> JobStore::any(std::string_view id) const {
  const std::lock_guard lock(reading_);
  return find_in(*reader_, id);
}

std::optional<Job> JobStore::find(std::string_view id) const {
  const std::lock_guard lock(reading_);
  Statement select(*reader_, fmt::format("SELECT {} FROM jobs WHERE id = ? AND {}", kColumns, kIsSeen));
  select.bind(id);
  if (!select.step()) return std::nullopt;
  return job_of(select);
}

/// After an UPDATE of one attempt: whether it was still that one. A job that was only to be over before it goes is gone
/// then.
bool JobStore::changed_one(std::string_view id) {
  if (writer_->changed() != 1) return false;
  Statement remove(*writer_, fmt::format("DELETE FROM jobs WHERE id = ? AND state NOT IN (?, ?) AND NOT {}", kIsSeen));
  remove.bind(id).bind(word(JobState::kQueued)).bind(word(JobState::kInProgress)).step();
  return true;
}

JobPage JobStore::list(const JobFilter& filter) const {
  const std::lock_guard lock(reading_);
  const char* const order = filter.newest_first ? "DESC" : "ASC";
  const char* const beyond = filter.newest_first ? "<" : ">";
  std::optional<int64_t> from;
  if (!filter.after.empty()) {
    const std::optional<Job> last = find_in(*reader_, filter.after);
    require(last.has_value(), "after: no job has this id", ErrorKind::kUsage);
    from = last->number;
  }
  Statement select(*reader_, fmt::format("SELECT {} FROM jobs WHERE {} {} ORDER BY number {} LIMIT ?", kColumns,
                                         kIsSeen, from ? fmt::format("AND number {} ?", beyond) : "", order));
  if (from) select.bind(*from);
  select.bind(filter.limit + 1);
  JobPage page;
  while (select.step()) page.jobs.push_back(job_of(select));
  page.has_more = static_cast<int64_t>(page.jobs.size()) > filter.limit;
  if (page.has_more) page.jobs.pop_back();
  return page;
}

JobCounts JobStore::counts() const {
  const std::lock_guard lock(reading_);
  Statement select(*reader_, fmt::format("SELECT state, count(*) FROM jobs WHERE {} GROUP BY state", kIsSeen));
  JobCounts counts;
  while (select.step()) {
    const auto state = enum_value<JobState>(select.text(0));
    if (!state) continue;
    switch (*state) {
      case JobState::kQueued: counts.queued = select.integer(1); break;
      case JobState::kInProgress: counts.in_progress = select.integer(1); break;
      case JobState::kCompleted: counts.completed = select.integer(1); break;
      case JobState::kFailed: counts.failed = select.integer(1); break;
      case JobState::kCancelled: counts.cancelled = select.integer(1); break;
    }
  }
  return counts;
}

int64_t JobStore::queued_before(int64_t number) const {
  const std::lock_guard lock(reading_);
  Statement select(*reader_, "SELECT count(*) FROM jobs WHERE state = ? AND number < ?");
  select.bind(word(JobState::kQueued)).bind(number).step();
  return select.integer(0);
}

std::vector<double> JobStore::service_seconds(std::string_view cost_key, int64_t limit) const {
  const std::lock_guard lock(reading_);
  Statement select(*reader_,
                   "SELECT service_s FROM jobs WHERE cost_key = ? AND state = ? AND service_s IS NOT NULL ORDER BY "
                   "ended_ms DESC LIMIT ?");
  select.bind(cost_key).bind(word(JobState::kCompleted)).bind(limit);
  std::vector<double> seconds;
  while (select.step()) seconds.push_back(select.number_or_null(0).value_or(0));
  return seconds;
}

std::optional<Job> JobStore::claim(int64_t now_ms) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  std::string id;
  {
    Statement oldest(*writer_, "SELECT id FROM jobs WHERE state = ? ORDER BY number LIMIT 1");
    oldest.bind(word(JobState::kQueued));
    if (!oldest.step()) return std::nullopt;
    id = oldest.text(0);
  }
  Statement take(*writer_, "UPDATE jobs SET state = ?, started_ms = ?, attempts = attempts + 1 WHERE id = ?");
  take.bind(word(JobState::kInProgress)).bind(now_ms).bind(id).step();
  std::optional<Job> claimed = find_in(*writer_, id);
  whole.commit();
  return claimed;
}

bool JobStore::complete(const Job& attempt, const std::string& result, uint64_t bytes, double service_s,
                        int64_t now_ms) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  Statement update(*writer_,
                   "UPDATE jobs SET state = ?, ended_ms = ?, result = ?, bytes = ?, service_s = ? WHERE id = ? AND "
                   "state = ? AND attempts = ?");
  update.bind(word(JobState::kCompleted)).bind(now_ms).bind(result).bind(static_cast<int64_t>(bytes)).bind(service_s);
  update.bind(attempt.id).bind(word(JobState::kInProgress)).bind(int64_t{attempt.attempts}).step();
  const bool was_current = changed_one(attempt.id);
  whole.commit();
  return was_current;
}

bool JobStore::fail(const Job& attempt, const JobError& error, int64_t now_ms) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  Statement update(*writer_,
                   "UPDATE jobs SET state = ?, ended_ms = ?, error = ? WHERE id = ? AND state = ? AND attempts = ?");
  update.bind(word(JobState::kFailed)).bind(now_ms).bind(text_of(error));
  update.bind(attempt.id).bind(word(JobState::kInProgress)).bind(int64_t{attempt.attempts}).step();
  const bool was_current = changed_one(attempt.id);
  whole.commit();
  return was_current;
}

bool JobStore::settle(const Job& attempt, JobState state, int64_t now_ms) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  Statement update(*writer_, "UPDATE jobs SET state = ?, ended_ms = ? WHERE id = ? AND state = ? AND attempts = ?");
  update.bind(word(state)).bind(now_ms);
  update.bind(attempt.id).bind(word(JobState::kInProgress)).bind(int64_t{attempt.attempts}).step();
  const bool was_current = changed_one(attempt.id);
  whole.commit();
  return was_current;
}

bool JobStore::cancel_ended(const Job& attempt, int64_t now_ms) {
  return settle(attempt, JobState::kCancelled, now_ms);
}

bool JobStore::give_up(const Job& attempt, int64_t now_ms) {
  const std::optional<Job> now = any(attempt.id);
  if (!now) return false;
  switch (after_kill(attempt.attempts, now->cancel_requested != Job::Cancel::kNo)) {
    case JobState::kCancelled: return cancel_ended(attempt, now_ms);
    case JobState::kFailed: return fail(attempt, killed_too_often(attempt.attempts), now_ms);
    default: break;
  }
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  Statement update(*writer_,
                   "UPDATE jobs SET state = CASE cancel_requested WHEN 0 THEN ? ELSE ? END, ended_ms = CASE "
                   "cancel_requested WHEN 0 THEN NULL ELSE ? END WHERE id = ? AND state = ? AND attempts = ?");
  update.bind(word(JobState::kQueued)).bind(word(JobState::kCancelled)).bind(now_ms);
  update.bind(attempt.id).bind(word(JobState::kInProgress)).bind(int64_t{attempt.attempts}).step();
  const bool was_current = changed_one(attempt.id);
  whole.commit();
  return was_current;
}

bool JobStore::put_back(const Job& attempt) {
  const std::lock_guard lock(writing_);
  Statement update(*writer_,
                   "UPDATE jobs SET state = ?, started_ms = NULL, attempts = attempts - 1 WHERE id = ? AND state = ? "
                   "AND attempts = ? AND cancel_requested = 0");
  update.bind(word(JobState::kQueued));
  update.bind(attempt.id).bind(word(JobState::kInProgress)).bind(int64_t{attempt.attempts}).step();
  return writer_->changed() == 1;
}

Cancelled JobStore::cancel(std::string_view id, int64_t now_ms) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  const std::optional<Job> job = find_in(*writer_, id);
  if (!job || job->cancel_requested == Job::Cancel::kAndRemove) return Cancelled::kUnknown;
  if (job->state == JobState::kCancelled) return Cancelled::kWasBefore;
  if (job->is_over()) return Cancelled::kIsOver;
  const bool is_queued = job->state == JobState::kQueued;
  Statement update(*writer_, "UPDATE jobs SET cancel_requested = 1, state = ?, ended_ms = ? WHERE id = ?");
  update.bind(word(is_queued ? JobState::kCancelled : JobState::kInProgress));
  update.bind(is_queued ? std::optional(now_ms) : std::nullopt).bind(id).step();
  whole.commit();
  return is_queued ? Cancelled::kAtOnce : Cancelled::kRequested;
}

Removed JobStore::remove(std::string_view id) {
  const std::lock_guard lock(writing_);
  Transaction whole(*writer_);
  const std::optional<Job> job = find_in(*writer_, id);
  if (!job || job->cancel_requested == Job::Cancel::kAndRemove) return Removed::kUnknown;
  const bool is_running = job->state == JobState::kInProgress;
  Statement change(*writer_,
                   is_running ? "UPDATE jobs SET cancel_requested = 2 WHERE id = ?" : "DELETE FROM jobs WHERE id = ?");
  change.bind(id).step();
  whole.commit();
  return is_running ? Removed::kRequested : Removed::kAtOnce;
}

int64_t JobStore::recover(int64_t now_ms) {
  std::vector<Job> left;
  {
    const std::lock_guard lock(writing_);
    Statement select(*writer_, fmt::format("SELECT {} FROM jobs WHERE state = ?", kColumns));
    select.bind(word(JobState::kInProgress));
    while (select.step()) left.push_back(job_of(select));
  }
  for (const Job& job : left) give_up(job, now_ms);
  return static_cast<int64_t>(left.size());
}

std::vector<Kept> JobStore::finished() const {
  const std::lock_guard lock(reading_);
  Statement select(*reader_, "SELECT id, ended_ms, bytes FROM jobs WHERE state NOT IN (?, ?)");
  select.bind(word(JobState::kQueued)).bind(word(JobState::kInProgress));
  std::vector<Kept> all;
  while (select.step()) all.push_back({select.text(0), select.integer(1), static_cast<uint64_t>(select.integer(2))});
  return all;
}

std::vector<std::string> JobStore::ids() const {
  const std::lock_guard lock(reading_);
  Statement select(*reader_, "SELECT id FROM jobs");
  std::vector<std::string> all;
  while (select.step()) all.push_back(select.text(0));
  return all;
}

void JobStore::forget_keys(int64_t then_ms) {
  const std::lock_guard lock(writing_);
  Statement remove(*writer_, "DELETE FROM keys WHERE created_ms < ? AND job_id NOT IN (SELECT id FROM jobs)");
  remove.bind(then_ms).step();
}

}  // namespace wan::serve
