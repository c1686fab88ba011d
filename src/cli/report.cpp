// `wanbench report`: the report files of a results folder, made again from its records.
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/tables.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/report_files.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/trace.h"
#include "results/csv.h"
#include "results/samples.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

ExitCode run_report(const fs::path& folder) {
  for (const fs::path& file : write_reports(folder)) fmt::print("wrote {}\n", file.string());
  return ExitCode::kSuccess;
}

/// By run id. Samples are for drawing only: a damaged file is named and left out.
std::map<std::string, SampleSet> samples_of(const Collection& collection) {
  std::map<std::string, SampleSet> samples;
  for (const StoredRecord& stored : collection.records) {
    try {
      if (auto set = load_samples(stored.file, stored.record)) samples.emplace(stored.record.id, std::move(*set));
    } catch (const Error& error) {
      log::warning(error.what());
    }
  }
  return samples;
}

}  // namespace

std::vector<fs::path> write_reports(const fs::path& folder) {
  const Collection collection = load_collection(folder);
  for (const DamagedFile& damaged : collection.damaged)
    log::warning(fmt::format("{} is left out: {}", damaged.file.string(), damaged.message));
  require(!collection.records.empty(), fmt::format("{} holds no results to report", folder.string()));
  std::vector<const RunRecord*> records;
  for (const StoredRecord& stored : collection.records) records.push_back(&stored.record);
  const fs::path suites = data_folder() / "suites", place = fs::is_directory(folder) ? folder : folder.parent_path();
  const report::HtmlOptions options{load_peaks(suites / "peaks.json"), load_prices(suites / "prices.json"),
                                    samples_of(collection), place};
  std::vector<fs::path> written;
  const auto write = [&](const char* name, const std::string& content) {
    write_atomically(place / name, content);
    written.push_back(place / name);
  };
  write("report.md", report::markdown_report(records, options.peaks));
  write("report.html", report::html_report(records, options));
  write("results.csv", to_csv(records));
  write("trace.json", report::trace_json(records, options.samples));
  return written;
}

void add_report_command(CLI::App& app, ExitCode& result) {
  auto folder = std::make_shared<fs::path>();
  CLI::App* command = app.add_subcommand("report", "Write the report of a results folder");
  command->add_option("folder", *folder, "folder that `run --output` named")->required()->type_name("DIR");
  command->callback([folder, &result] { result = run_report(*folder); });
}

}  // namespace wan::cli
