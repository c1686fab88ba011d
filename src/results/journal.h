// The journal of a suite's run: append-only JSON lines with case states and file names, so that a killed suite knows
// what is done. It holds no measurement; records do.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/subprocess.h"

namespace wan {

enum class JournalState {
  kPlanned,   // the suite will run it
  kStarted,   // its process has begun; without a later line it was cut off
  kRecorded,  // its record, whatever its status, is in `record_file`
};

struct JournalEntry {
  std::string utc;
  std::string case_key;  // what makes this run of this case unique in the suite
  std::string case_name;
  int64_t repeat = 0;
  std::string arm;
  std::string scope;
  JournalState state = JournalState::kPlanned;
  std::string record_file;  // relative to the journal's folder
  std::string status;       // of the record: ok, oom, ...
  std::string note;
  bool operator==(const JournalEntry&) const = default;
};

struct JournalContent {
  std::vector<JournalEntry> entries;
  bool torn_tail = false;            // the last line had no line feed: a kill in the middle of a write
  std::vector<std::string> damaged;  // other lines that could not be read, with their number
};

/// An empty content when the file does not exist. Throws Error(kInput) when it is not readable or over 64 MiB.
JournalContent read_journal(const std::filesystem::path& file);

/// Appends to a journal. Holds a lock on it, so that two runs cannot share a folder.
class Journal {
 public:
  /// Creates the file if missing; cuts off a torn last line. Throws Error(kUsage) when another process holds it,
  /// Error(kRuntime) when it cannot be written.
  explicit Journal(const std::filesystem::path& file);
  /// One line, in one write, synced to the disk before it returns. Sets `utc` when empty.
  void append(JournalEntry entry);

 private:
  std::filesystem::path file_;
  Descriptor descriptor_;
};

}  // namespace wan
