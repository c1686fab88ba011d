// The report files of a results folder, shared by `run` and `report`.
#pragma once

#include <filesystem>
#include <vector>

#include "report/csv.h"

namespace CLI {
class App;
}

namespace wan::cli {

/// Whether host name, paths, commands and prompts are left out, for publishing.
enum class Redaction { kNo, kYes };

struct ReportFilesOptions {
  Redaction redaction = Redaction::kNo;
  report::HiddenRows hidden_rows = report::HiddenRows::kLeftOut;  // of results.csv
};

/// Reads every record under `folder` and writes report.md, report.html, results.csv and trace.json (a large one packed,
/// trace.json.gz) into it, and cards.svg where a case ran on two cards. Returns the files written. Damaged records are
/// named on stderr and left out. Throws Error(kInput) when there is no record at all.
std::vector<std::filesystem::path> write_reports(const std::filesystem::path& folder,
                                                 const ReportFilesOptions& options = {});

/// --all-rows, of the commands that write CSV.
void add_all_rows_flag(CLI::App& command, report::HiddenRows& hidden);

}  // namespace wan::cli
