// What `wanbench ablate` found, or plans, before it is said as text or as JSON.
#pragma once

#include <string>

#include "analysis/ablation.h"
#include "cli/json_document.h"
#include "results/ablation.h"

namespace wan::cli {

/// The arms as they are to be run, in 80 columns, on standard output.
void print_plan(const Ablation& ablation, int repeats);

/// One table in 80 columns, then what is said of all of it.
void print_table(const AblationTable& table);

/// The same as a document of schema wanbench.ablation (docs/formats.md).
OrderedJson json_of(const AblationTable& table);

}  // namespace wan::cli
