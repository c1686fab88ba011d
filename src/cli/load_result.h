// What `wanbench load` found, before it is said as text or as JSON.
#pragma once

#include "analysis/load.h"
#include "cli/json_document.h"

namespace wan::cli {

/// A table in 80 columns, a line a level, and below it what does not fit in one.
void print_load(const LoadView& view);

/// The same as a document of schema wanbench.load_summary (docs/formats.md).
OrderedJson json_of(const LoadView& view);

}  // namespace wan::cli
