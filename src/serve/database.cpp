#include "serve/database.h"

#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "base/error.h"

namespace wan::serve {
namespace {

constexpr int kBusyMs = 10'000;         // a checkpoint of the log on a slow disk takes a while
constexpr int kCachedKiB = 256;         // pages of the file that a connection keeps, however large the file grows
constexpr int64_t kLogBytes = 4 << 20;  // of the log that stays on the disk

}  // namespace

void Database::Close::operator()(sqlite3* handle) const { sqlite3_close(handle); }
void Database::Finalize::operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }

Database::Database(const std::filesystem::path& file, Access access) : file_(file) {
  sqlite3* handle = nullptr;
  const int flags = access == Access::kWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) refuse();
  sqlite3_busy_timeout(handle, kBusyMs);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  run(fmt::format("PRAGMA cache_size = -{}", kCachedKiB));
  if (access == Access::kRead) return;
  Statement(*this, "PRAGMA journal_mode = WAL").step();
  run(fmt::format("PRAGMA journal_size_limit = {}", kLogBytes));
  run("PRAGMA synchronous = FULL");
}

Database::~Database() = default;

void Database::refuse() const {
  const int code = sqlite3_errcode(handle_.get());
  const bool is_none_of_ours = code == SQLITE_NOTADB || code == SQLITE_CORRUPT;
  throw Error(is_none_of_ours ? ErrorKind::kInput : ErrorKind::kRuntime,
              fmt::format("{}: {}", file_.string(), sqlite3_errmsg(handle_.get())));
}

void Database::run(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) refuse();
}

int64_t Database::changed() const { return sqlite3_changes(handle_.get()); }

Statement::Statement(Database& database, std::string_view sql) : database_(database), sql_(sql) {
  if (auto known = database.idle_.extract(sql_); !known.empty()) {
    handle_ = std::move(known.mapped());
    return;
  }
  sqlite3_stmt* handle = nullptr;
  check(sqlite3_prepare_v3(database.handle_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &handle, nullptr));
  handle_.reset(handle);
}

Statement::~Statement() {
  sqlite3_reset(handle_.get());
  sqlite3_clear_bindings(handle_.get());
  database_.idle_.try_emplace(std::move(sql_), std::move(handle_));
}

Statement& Statement::check(int code) {
  if (code != SQLITE_OK) database_.refuse();
  return *this;
}

Statement& Statement::bind(std::string_view text) {
  return check(
      sqlite3_bind_text(handle_.get(), ++bound_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT));
}
Statement& Statement::bind(int64_t value) { return check(sqlite3_bind_int64(handle_.get(), ++bound_, value)); }
Statement& Statement::bind(double value) { return check(sqlite3_bind_double(handle_.get(), ++bound_, value)); }
Statement& Statement::bind(const std::optional<int64_t>& value) { return value ? bind(*value) : bind_null(); }
Statement& Statement::bind_null() { return check(sqlite3_bind_null(handle_.get(), ++bound_)); }

bool Statement::step() {
  const int code = sqlite3_step(handle_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE) database_.refuse();
  return code == SQLITE_ROW;
}

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
  return bytes == nullptr ? "" : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column)));
}
int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
std::optional<int64_t> Statement::integer_or_null(int column) const {
  if (sqlite3_column_type(handle_.get(), column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_int64(handle_.get(), column);
}
std::optional<double> Statement::number_or_null(int column) const {
  if (sqlite3_column_type(handle_.get(), column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_double(handle_.get(), column);
}

Transaction::Transaction(Database& database) : database_(database) { database_.run("BEGIN IMMEDIATE"); }

Transaction::~Transaction() {
  if (!is_open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {
    // SQLite has undone it by itself.
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  is_open_ = false;
}

}  // namespace wan::serve
