// `wanbench compare` of folders that `wanbench load` made.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/json_document.h"

namespace wan::cli {

/// Whether each of the paths is a load.json or a folder with one and without records.
bool are_load_tests(const std::vector<std::string>& paths);

struct CompareLoadOptions {
  double margin = 0.01;
  bool has_limit = false;  // --fail-if-slower
  bool strict = false;
  Wording wording = Wording::kText;
};

/// The first against each of the others: seconds a video, quantiles of latency, service, energy, with a verdict each.
/// Exit codes as compare has them, by any row.
ExitCode compare_load_tests(const std::vector<std::string>& paths, const CompareLoadOptions& options);

}  // namespace wan::cli
