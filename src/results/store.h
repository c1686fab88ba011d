// A folder of records: one JSON file a run, renamed into place, is the truth; everything else can be rebuilt from it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"
#include "results/spans.h"

namespace wan {

/// Ending of every record file.
inline constexpr const char* kRecordSuffix = ".run.json";

/// A name as part of a file's: what is no letter, digit, '-' or '_' becomes '_', and 80 characters stay. Two names may
/// become one.
std::string file_word(std::string_view text);

/// "<case>.<scope>.r<repeat>[.<arm>][.traced|.fidelity]", the names as words of files.
std::string run_file_stem(const RunRecord& record);

/// The file of that name inside `folder`; nothing where the name is empty, leaves the folder, by a link too, or is of
/// no regular file there.
std::optional<std::filesystem::path> file_inside(const std::filesystem::path& folder,
                                                 const std::filesystem::path& name);

/// The file that a record names as standing beside it; nothing where it names none, names one elsewhere or it is gone.
std::optional<std::filesystem::path> file_beside(const std::filesystem::path& record_file, const std::string& name);

/// "<stem>.<id>.run.json". The record must be sealed.
std::string record_file_name(const RunRecord& record);

/// Seals the record if it has no id, writes it atomically into `folder` (created if missing) and returns the file.
/// Throws Error(kRuntime) naming the path when it cannot be written.
std::filesystem::path store_record(const std::filesystem::path& folder, RunRecord& record);

/// Throws Error(kInput) naming the file and the key when it is not a record this program can read.
RunRecord load_record(const std::filesystem::path& file);

struct StoredRecord {
  std::filesystem::path file;
  RunRecord record;
  SpanSet spans{};  // that Parts::kSummedUp took out of the record
};

struct DamagedFile {
  std::filesystem::path file;
  std::string message;
};

struct Collection {
  std::vector<StoredRecord> records;  // by created_utc, then file name
  std::vector<DamagedFile> damaged;   // unreadable files are reported, never fatal
};

/// Whether records written before 1.2, with a row for each span of a part, get the sums of later ones (spans.h).
enum class Parts { kAsStored, kSummedUp };

/// The regular files in a folder, four levels deep, by name. Folders that may not be read are left out.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder);

/// All records under `path`, a record file or a folder searched four levels deep; two files with one id count once.
/// Throws Error(kInput) when the path does not exist.
Collection load_collection(const std::filesystem::path& path, Parts parts = Parts::kAsStored);

}  // namespace wan
