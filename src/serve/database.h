// SQLite as the job store uses it: one connection, statements that bind in order, transactions that end with their
// scope.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace wan::serve {

/// Writes ahead into a log (WAL) and waits until each transaction is on the disk. For one thread at a time.
class Database {
 public:
  enum class Access { kWrite, kRead };
  /// Made where it is missing and may be written. Throws Error(kInput) naming the file when it is no database,
  /// Error(kRuntime) when it cannot be opened.
  Database(const std::filesystem::path& file, Access access);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Throws as statements do.
  void run(const std::string& sql);
  /// Rows that the last statement changed.
  int64_t changed() const;

 private:
  friend class Statement;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const;
  };
  using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;
  [[noreturn]] void refuse() const;
  std::filesystem::path file_;
  std::unique_ptr<sqlite3, Close> handle_;
  std::map<std::string, Prepared, std::less<>> idle_;  // by their text: as many as there are texts in the program
};

/// Bind in order, then step. One text is prepared once and kept for the next of it. Throws Error(kRuntime) that names
/// the file and what SQLite says, a full disk included.
class Statement {
 public:
  Statement(Database& database, std::string_view sql);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(std::string_view text);
  Statement& bind(int64_t value);
  Statement& bind(double value);
  Statement& bind(const std::optional<int64_t>& value);
  Statement& bind_null();
  /// True while there is a row.
  bool step();

  /// Of the row; columns from 0.
  std::string text(int column) const;
  int64_t integer(int column) const;
  std::optional<int64_t> integer_or_null(int column) const;
  std::optional<double> number_or_null(int column) const;

 private:
  Statement& check(int code);
  Database& database_;
  std::string sql_;
  Database::Prepared handle_;
  int bound_ = 0;
};

/// All or nothing: what is not committed is undone with its scope. Others who would write wait from its first line on.
class Transaction {
 public:
  explicit Transaction(Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool is_open_ = true;
};

}  // namespace wan::serve
