// Reading records for the commands that look at results.
#include "cli/collections.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/log.h"

namespace wan::cli {

std::vector<StoredRecord> load_records(const std::vector<std::string>& paths, Parts parts) {
  std::vector<StoredRecord> out;
  for (const std::string& path : paths) {
    Collection found = load_collection(path, parts);
    for (const DamagedFile& damaged : found.damaged) log::warning(fmt::format("left out: {}", damaged.message));
    std::move(found.records.begin(), found.records.end(), std::back_inserter(out));
  }
  if (out.empty()) {
    throw Error(ErrorKind::kInput, fmt::format("expected records (*{}) under {}, found none that can be read",
                                               kRecordSuffix, fmt::join(paths, ", ")));
  }
  return out;
}

std::vector<const RunRecord*> pointers(const std::vector<StoredRecord>& stored) {
  std::vector<const RunRecord*> out;
  for (const StoredRecord& s : stored) out.push_back(&s.record);
  return out;
}

}  // namespace wan::cli
