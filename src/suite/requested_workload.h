// What a request alone says of the work a run will do.
#pragma once

#include <filesystem>
#include <string>

#include "pipeline/request.h"
#include "results/record.h"

namespace wan::suite {

/// Every option that decides the work goes to the workload's field of its key; a file's digest to that of its key and
/// "_sha256". What is not given stays empty: the engine's plan fills it in, of an external program it is not known.
Workload requested_workload(const Request& request);

/// SHA-256 of the file's content; empty for no path. Throws Error(kInput) when it cannot be read.
std::string file_digest(const std::filesystem::path& path);

}  // namespace wan::suite
