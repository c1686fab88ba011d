// Writing, finding and reading record files.
#include "results/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "results/json.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 4;
constexpr size_t kMaxNameLength = 80;

bool is_record_name(const fs::path& path) { return path.filename().string().ends_with(kRecordSuffix); }

struct Loaded {
  std::optional<StoredRecord> stored;
  std::string problem;
};

Loaded load(const fs::path& file, Parts parts) {
  try {
    StoredRecord stored{file, load_record(file)};
    if (parts == Parts::kSummedUp) stored.spans = sum_up_parts(stored.record.stages);
    return {std::move(stored), {}};
  } catch (const Error& error) {
    return {std::nullopt, error.what()};
  }
}

}  // namespace

std::string file_word(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMaxNameLength)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    out += plain ? c : '_';
  }
  return out.empty() ? "run" : out;
}

std::string run_file_stem(const RunRecord& record) {
  std::string name = fmt::format("{}.{}.r{}", file_word(record.run_case.name), to_string(record.workload.scope),
                                 record.run_case.repeat);
  if (!record.run_case.arm.empty()) name += fmt::format(".{}", file_word(record.run_case.arm));
  if (record.kernels) name += ".traced";
  if (record.fidelity && !record.kernels) name += ".fidelity";
  return name;
}

std::optional<fs::path> file_inside(const fs::path& folder, const fs::path& name) {
  if (name.empty() || name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end())
    return std::nullopt;
  fs::path file = folder / name;
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  const fs::path base = fs::canonical(folder.empty() ? "." : folder, error), real = fs::canonical(file, error);
  if (error) return std::nullopt;
  const auto [last, rest] = std::mismatch(base.begin(), base.end(), real.begin(), real.end());
  if (last != base.end()) return std::nullopt;
  return file;
}

std::optional<fs::path> file_beside(const fs::path& record_file, const std::string& name) {
  return file_inside(record_file.parent_path(), name);
}

std::string record_file_name(const RunRecord& record) {
  return fmt::format("{}.{}{}", run_file_stem(record), file_word(record.id), kRecordSuffix);
}

fs::path store_record(const fs::path& folder, RunRecord& record) {
  const std::string text = record.id.empty() ? seal_to_json(record) : to_json(record);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(fmt::format("cannot create the results folder {}: {}", folder.string(), error.message()));
  const fs::path file = folder / record_file_name(record);
  write_atomically(file, text);
  return file;
}

RunRecord load_record(const fs::path& file) { return record_from_json(read_text(file), file.string()); }

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  auto it = fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    if (it->is_regular_file(error)) files.push_back(it->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Collection load_collection(const fs::path& path, Parts parts) {
  std::vector<fs::path> files;
  std::error_code cannot_be;  // such as a name longer than the file system has
  if (fs::is_directory(path, cannot_be)) {
    files = files_in(path);
    std::erase_if(files, [](const fs::path& file) { return !is_record_name(file); });
  } else if (fs::exists(path, cannot_be)) {
    files = {path};
  } else {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: expected a record file or a results folder, found nothing there", path.string()));
  }
  std::vector<Loaded> loaded(files.size());
  for_chunks(static_cast<int64_t>(files.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) loaded[i] = load(files[i], parts);
  });
  Collection out;
  std::set<std::string> seen;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!loaded[i].stored)
      out.damaged.push_back({files[i], std::move(loaded[i].problem)});
    else if (seen.insert(loaded[i].stored->record.id).second)
      out.records.push_back(std::move(*loaded[i].stored));
  }
  std::stable_sort(out.records.begin(), out.records.end(), [](const StoredRecord& a, const StoredRecord& b) {
    return a.record.created_utc < b.record.created_utc;
  });
  return out;
}

}  // namespace wan
