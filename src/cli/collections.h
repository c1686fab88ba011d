// Reading records for the commands that look at results.
#pragma once

#include <string>
#include <vector>

#include "results/store.h"

namespace wan::cli {

/// Every record under the paths, damaged files warned about. Throws Error(kInput) when there is none at all.
std::vector<StoredRecord> load_records(const std::vector<std::string>& paths, Parts parts = Parts::kAsStored);

/// Pointers to the records, as analysis takes them.
std::vector<const RunRecord*> pointers(const std::vector<StoredRecord>& stored);

}  // namespace wan::cli
