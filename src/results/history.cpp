// The SQLite index behind `wanbench history`.
#include "results/history.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/output_file.h"
#include "results/contradictions.h"
#include "results/device_name.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr int kIndexVersion = 1;
constexpr uint32_t kApplicationId = 0x77616e62;  // "wanb", in the header of every index of ours

constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, created_utc TEXT, suite TEXT, case_name TEXT, arm TEXT, scope TEXT, status TEXT,
  precision_class TEXT, model TEXT, engine TEXT, engine_kind TEXT, device_name TEXT, device_uuid TEXT, host TEXT,
  git_commit TEXT, workload_key TEXT, file TEXT, repeat INTEGER, width INTEGER, height INTEGER, num_frames INTEGER,
  steps INTEGER, total_ns INTEGER, peak_device_bytes INTEGER, warmup INTEGER, excluded INTEGER);
CREATE TABLE IF NOT EXISTS stages (
  run_id TEXT, stage_id TEXT, kind TEXT, wall_ns INTEGER, gpu_ns INTEGER, flops REAL, cpu_core_ns INTEGER,
  sm_active_percent REAL, energy_j REAL, PRIMARY KEY (run_id, stage_id));
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (created_utc);
)";

constexpr const char* kRunColumns =
    "id, created_utc, suite, case_name, arm, scope, status, precision_class, model, engine, engine_kind, device_name, "
    "device_uuid, host, git_commit, workload_key, file, repeat, width, height, num_frames, steps, total_ns, "
    "peak_device_bytes, warmup, excluded";

struct CloseDatabase {
  void operator()(sqlite3* handle) const { sqlite3_close(handle); }
};

[[noreturn]] void refuse(sqlite3* database) {
  throw Error(ErrorKind::kInput, fmt::format("history index {}: {}; rebuild it with `wanbench history --reindex`",
                                             sqlite3_db_filename(database, "main"), sqlite3_errmsg(database)));
}

/// A prepared statement: bind in order, then step.
class Statement {
 public:
  Statement(sqlite3* database, const std::string& sql) : database_(database) {
    if (sqlite3_prepare_v2(database, sql.c_str(), -1, &handle_, nullptr) != SQLITE_OK) refuse(database);
  }
  ~Statement() { sqlite3_finalize(handle_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& text) {
    return check(sqlite3_bind_text(handle_, ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT));
  }
  Statement& bind(int64_t value) { return check(sqlite3_bind_int64(handle_, ++bound_, value)); }
  Statement& bind(const std::optional<int64_t>& value) {
    return value ? bind(*value) : check(sqlite3_bind_null(handle_, ++bound_));
  }
  Statement& bind(const std::optional<double>& value) {
    return check(value ? sqlite3_bind_double(handle_, ++bound_, *value) : sqlite3_bind_null(handle_, ++bound_));
  }
  /// True while there is a row.
  bool step() {
    const int code = sqlite3_step(handle_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) refuse(database_);
    return code == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
    return bytes == nullptr ? "" : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(handle_, column)));
  }
  std::optional<int64_t> integer(int column) const {
    if (sqlite3_column_type(handle_, column) == SQLITE_NULL) return std::nullopt;
    return sqlite3_column_int64(handle_, column);
  }

 private:
  Statement& check(int code) {
    if (code != SQLITE_OK) refuse(database_);
    return *this;
  }
  sqlite3* database_;
  sqlite3_stmt* handle_ = nullptr;
  int bound_ = 0;
};

std::optional<int64_t> stored(const Measured<uint64_t>& bytes) {
  if (!bytes.has()) return std::nullopt;
  return static_cast<int64_t>(std::min<uint64_t>(*bytes.value, INT64_MAX));
}

HistoryRow row_of(const StoredRecord& stored_record) {
  const RunRecord& record = stored_record.record;
  HistoryRow row;
  row.id = record.id;
  row.created_utc = record.created_utc;
  row.suite = record.run_case.suite;
  row.case_name = record.run_case.name;
  row.arm = record.run_case.arm;
  row.scope = to_string(record.workload.scope);
  row.status = to_string(record.status);
  row.precision_class = to_string(record.workload.precision_class);
  row.model = record.workload.model;
  row.engine = record.engine.name;
  row.engine_kind = to_string(record.engine.kind);
  row.device_name = device_name(record);
  row.device_uuid = record.system.gpus.empty() ? "" : record.system.gpus[0].uuid;
  row.host = record.system.host;
  row.git_commit = record.tool.git_commit;
  row.workload_key = record.workload_key;
  row.file = stored_record.file.string();
  row.repeat = record.run_case.repeat;
  row.width = record.workload.width;
  row.height = record.workload.height;
  row.num_frames = record.workload.num_frames;
  row.steps = record.workload.steps;
  if (const StageRecord* total = total_stage(record)) {
    row.total_ns = total->wall_ns;
    row.peak_device_bytes = stored(total->device_memory.process_peak_bytes);
  }
  row.warmup = record.run_case.warmup;
  row.excluded = !contradictions(record).empty() ||
                 std::any_of(record.validity.begin(), record.validity.end(), [](const auto& f) { return f.excludes; });
  return row;
}

HistoryRow row_of(const Statement& s) {
  HistoryRow row;
  std::string* texts[] = {&row.id,           &row.created_utc, &row.suite,           &row.case_name, &row.arm,
                          &row.scope,        &row.status,      &row.precision_class, &row.model,     &row.engine,
                          &row.engine_kind,  &row.device_name, &row.device_uuid,     &row.host,      &row.git_commit,
                          &row.workload_key, &row.file};
  int column = 0;
  for (std::string* text : texts) *text = s.text(column++);
  row.repeat = s.integer(column++).value_or(0);
  for (auto* number : {&row.width, &row.height, &row.num_frames, &row.steps, &row.total_ns, &row.peak_device_bytes}) {
    *number = s.integer(column++);
  }
  row.warmup = s.integer(column++).value_or(0) != 0;
  row.excluded = s.integer(column++).value_or(0) != 0;
  return row;
}

/// Whose the file of an index's name is.
enum class Owner { kNobody, kUs, kOther };

/// Number of four bytes, the highest first.
uint32_t number_at(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

/// How everything in the database was made. A view, a virtual table or a computed column could say a query has no end.
std::set<std::string> schema_of(sqlite3* database) {
  std::set<std::string> made;
  Statement all(database, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL");
  while (all.step()) made.insert(all.text(0));
  return made;
}

std::set<std::string> our_schema() {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open(":memory:", &raw);
  const std::unique_ptr<sqlite3, CloseDatabase> handle(raw);
  if (code != SQLITE_OK || sqlite3_exec(raw, kTables, nullptr, nullptr, nullptr) != SQLITE_OK)
    throw Error(fmt::format("cannot make a database in memory: {}", sqlite3_errmsg(raw)));
  return schema_of(raw);
}

/// Indexes of earlier builds have no application id, but our tables and no others.
bool has_our_tables(const fs::path& database) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(database.c_str(), &raw, SQLITE_OPEN_READONLY, nullptr);
  const std::unique_ptr<sqlite3, CloseDatabase> handle(raw);
  if (code != SQLITE_OK) return false;
  std::set<std::string> tables;
  try {
    Statement names(raw, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')");
    while (names.step()) tables.insert(names.text(0));
  } catch (const Error&) {
    return false;
  }
  return tables == std::set<std::string>{"runs", "stages"};
}

/// By the file's first bytes, so that a database of another program is not even opened.
/// Source: "Database File Format", sqlite.org/fileformat.html, section 1.3.
Owner owner_of(const fs::path& database) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);
  constexpr size_t kHeaderBytes = 100, kUserVersion = 60, kApplication = 68;
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(database, ignored))) return Owner::kNobody;
  if (!fs::is_regular_file(database, ignored)) return Owner::kOther;
  std::ifstream file(database, std::ios::binary);
  std::string header(kHeaderBytes, '\0');
  if (!file.read(header.data(), static_cast<std::streamsize>(header.size())) || !header.starts_with(kMagic))
    return Owner::kOther;
  if (number_at(header, kApplication) == kApplicationId) return Owner::kUs;
  const bool may_be_old = number_at(header, kApplication) == 0 && number_at(header, kUserVersion) == kIndexVersion;
  return may_be_old && has_our_tables(database) ? Owner::kUs : Owner::kOther;
}

void require_ours(const fs::path& database, Owner owner) {
  require(owner != Owner::kOther,
          fmt::format("{}: expected a history index of wanbench or no file, found another file; it is left as it is, "
                      "name another with --index",
                      database.string()),
          ErrorKind::kInput);
}

}  // namespace

struct History::Database {
  std::unique_ptr<sqlite3, CloseDatabase> handle;

  void run(const char* sql) {
    if (sqlite3_exec(handle.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) refuse(handle.get());
  }
};

History::History(const fs::path& database, IndexFile file) : database_(std::make_unique<Database>()) {
  const Owner owner = file == IndexFile::kNew ? Owner::kNobody : owner_of(database);
  require_ours(database, owner);
  sqlite3* handle = nullptr;
  const int code = sqlite3_open(database.c_str(), &handle);
  database_->handle.reset(handle);
  if (code != SQLITE_OK) {
    throw Error(fmt::format("{}: cannot open the history index: {}", database.string(), sqlite3_errmsg(handle)));
  }
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  if (owner == Owner::kNobody) {
    database_->run(kTables);
    database_->run(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str());
    database_->run(fmt::format("PRAGMA user_version = {}", kIndexVersion).c_str());
  }
  Statement version(handle, "PRAGMA user_version");
  version.step();
  const int64_t found = version.integer(0).value_or(0);
  if (found != kIndexVersion) {
    throw Error(ErrorKind::kInput, fmt::format("{}: expected a history index of version {}, found {}; rebuild it with "
                                               "`wanbench history --reindex`",
                                               database.string(), kIndexVersion, found));
  }
  require(schema_of(handle) == our_schema(),
          fmt::format("{}: expected the tables of a history index, found others; rebuild it with `wanbench history "
                      "--reindex`",
                      database.string()));
}

History::~History() = default;
History::History(History&&) noexcept = default;
History& History::operator=(History&&) noexcept = default;

void History::add(const StoredRecord& stored_record) {
  const HistoryRow row = row_of(stored_record);
  sqlite3* db = database_->handle.get();
  Statement run(db,
                fmt::format("INSERT OR REPLACE INTO runs ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
                            "?,?,?)",
                            kRunColumns));
  for (const std::string* text :
       {&row.id, &row.created_utc, &row.suite, &row.case_name, &row.arm, &row.scope, &row.status, &row.precision_class,
        &row.model, &row.engine, &row.engine_kind, &row.device_name, &row.device_uuid, &row.host, &row.git_commit,
        &row.workload_key, &row.file}) {
    run.bind(*text);
  }
  run.bind(row.repeat);
  for (const auto& number : {row.width, row.height, row.num_frames, row.steps, row.total_ns, row.peak_device_bytes}) {
    run.bind(number);
  }
  run.bind(static_cast<int64_t>(row.warmup)).bind(static_cast<int64_t>(row.excluded));
  run.step();
  for (const StageRecord& stage : stored_record.record.stages) {
    Statement insert(db, "INSERT OR REPLACE INTO stages VALUES (?,?,?,?,?,?,?,?,?)");
    insert.bind(row.id).bind(stage.id).bind(std::string(to_string(stage.kind))).bind(stage.wall_ns);
    insert.bind(stage.gpu_ns.value).bind(stage.flops.value).bind(stage.cpu_core_ns.value);
    insert.bind(stage.counters.sm_active.mean_percent).bind(stage.energy_j.value);
    insert.step();
  }
}

std::vector<HistoryRow> History::query(const HistoryFilter& filter) const {
  std::string where = "1";
  std::vector<std::string> values;
  const auto part = [&](const char* column, const std::string& value) {
    if (value.empty()) return;
    where += fmt::format(" AND instr(lower({}), lower(?)) > 0", column);
    values.push_back(value);
  };
  const auto compare = [&](const char* condition, const std::string& value) {
    if (value.empty()) return;
    where += fmt::format(" AND {}", condition);
    values.push_back(value);
  };
  part("case_name", filter.case_name);
  part("device_name", filter.device);
  part("model", filter.model);
  part("engine", filter.engine);
  part("git_commit", filter.git_commit);
  compare("status = ?", filter.status);
  compare("scope = ?", filter.scope);
  compare("substr(id, 1, length(?)) = ?", filter.id_prefix);
  if (!filter.id_prefix.empty()) values.push_back(filter.id_prefix);
  compare("created_utc >= ?", filter.since_utc);
  compare("created_utc <= ?", filter.until_utc);
  Statement select(
      database_->handle.get(),
      fmt::format("SELECT {} FROM runs WHERE {} ORDER BY created_utc DESC, id LIMIT ?", kRunColumns, where));
  for (const std::string& value : values) select.bind(value);
  select.bind(filter.limit);
  std::vector<HistoryRow> rows;
  while (select.step()) rows.push_back(row_of(select));
  return rows;
}

ReindexResult rebuild_history(const fs::path& database, const std::vector<fs::path>& folders) {
  require_ours(database, owner_of(database));
  PartFile fresh(database);
  ReindexResult result;
  {
    History history(fresh.path(), IndexFile::kNew);
    for (const fs::path& folder : folders) {
      Collection found = load_collection(folder);
      for (const StoredRecord& stored_record : found.records) history.add(stored_record);
      std::move(found.damaged.begin(), found.damaged.end(), std::back_inserter(result.damaged));
    }
    result.indexed = static_cast<int64_t>(history.query({.limit = -1}).size());
  }
  fresh.finish(Sync::kOnDisk);
  return result;
}

}  // namespace wan
