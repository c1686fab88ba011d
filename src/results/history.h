// An index over many results folders in SQLite, for listing and filtering. It can always be rebuilt from the records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "results/store.h"

namespace wan {

/// What a listing shows of a run.
struct HistoryRow {
  std::string id, created_utc, suite, case_name, arm, scope, status, precision_class;
  std::string model, engine, engine_kind, device_name, device_uuid, host, git_commit, workload_key, file;
  int64_t repeat = 0;
  std::optional<int64_t> width, height, num_frames, steps;
  std::optional<int64_t> total_ns, peak_device_bytes;
  bool warmup = false;
  bool excluded = false;  // by a validity flag, or because the record contradicts itself
};

/// Empty fields do not filter. Texts match as case-insensitive parts, except status, scope and id prefix.
struct HistoryFilter {
  std::string case_name{}, device{}, model{}, engine{}, status{}, scope{}, git_commit{};
  std::string id_prefix{};
  std::string since_utc{}, until_utc{};  // ISO 8601, compared as text: a date alone works
  int64_t limit = 100;                   // newest first
};

/// Whether a file that is there is looked at, or known to be a new one of ours, which is empty.
enum class IndexFile { kAny, kNew };

class History {
 public:
  /// Opens an index, creating an empty one where there is no file. Throws Error(kInput) when the file is not an index
  /// of this version, with the advice to rebuild it; a file that is none of ours is not changed.
  explicit History(const std::filesystem::path& database, IndexFile file = IndexFile::kAny);
  ~History();
  History(History&&) noexcept;
  History& operator=(History&&) noexcept;

  /// Adds or replaces one run, by id.
  void add(const StoredRecord& stored);
  std::vector<HistoryRow> query(const HistoryFilter& filter) const;

 private:
  struct Database;
  std::unique_ptr<Database> database_;
};

struct ReindexResult {
  int64_t indexed = 0;
  std::vector<DamagedFile> damaged;
};

/// Builds the index anew from the record files under `folders` and renames it over `database`. Throws Error(kInput)
/// before anything is done when there is a file of that name that is no index of ours.
ReindexResult rebuild_history(const std::filesystem::path& database, const std::vector<std::filesystem::path>& folders);

}  // namespace wan
