// `wanbench report`: the report files of a results folder, made again from its records.
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/report_view.h"
#include "base/error.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/report_files.h"
#include "cli/report_page.h"
#include "io/small_picture.h"
#include "io/video_poster.h"
#include "report/cards_picture.h"
#include "report/csv.h"
#include "report/html.h"
#include "report/markdown.h"
#include "report/trace.h"
#include "results/ablation.h"
#include "results/json.h"
#include "results/load.h"
#include "results/redact.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

struct ReportArguments {
  fs::path folder;
  ReportFilesOptions options;
};

ExitCode run_report(const ReportArguments& arguments) {
  for (const fs::path& file : write_reports(arguments.folder, arguments.options)) print("wrote {}\n", file.string());
  return ExitCode::kSuccess;
}

struct TraceFile {
  const char* name;
  const char* other_name;
  bool is_packed;
};

/// A large trace is packed, which Perfetto opens as well: text that says much the same a hundred times.
TraceFile trace_file(const std::string& trace) {
  constexpr size_t kMostPlain = size_t{4} << 20;
  if (trace.size() > kMostPlain) return {"trace.json.gz", "trace.json", true};
  return {"trace.json", "trace.json.gz", false};
}

constexpr const char* kPicture = "cards.svg";

/// A still is for looking at only: a video that gives none is named, and shown without.
std::string poster_of(const fs::path& video) {
  try {
    return video_poster(video);
  } catch (const Error& error) {
    log::warning(fmt::format("the report shows no still of a video: {}", error.what()));
    return "";
  }
}

std::string picture_of(const fs::path& png) {
  try {
    return small_picture(png);
  } catch (const Error& error) {
    log::warning(fmt::format("the report leaves out a still: {}", error.what()));
    return "";
  }
}

/// Of a folder that `wanbench ablate` made.
void add_ablation(const fs::path& place, const std::vector<const RunRecord*>& records, Redaction redaction,
                  ReportView& view) {
  const fs::path file = place / kAblationFile;
  std::error_code missing;
  if (!fs::is_regular_file(file, missing)) return;
  try {
    Ablation ablation = ablation_from_json(read_text(file), file.string());
    if (redaction == Redaction::kYes) Redactor::redact(ablation);
    fill_ablation_table(view.ablations.emplace_back(), std::move(ablation), records);
  } catch (const Error& error) {
    view.ablations.clear();
    log::warning(fmt::format("the report leaves out the ablation's table: {}", error.what()));
  }
}

bool has_load(const fs::path& place) {
  std::error_code missing;
  return fs::is_regular_file(place / kLoadFile, missing);
}

/// Of a folder that `wanbench load` made. One that cannot be read is an error where there is nothing else to report.
void add_load(const fs::path& place, Redaction redaction, ReportView& view) {
  if (!has_load(place)) return;
  const fs::path file = place / kLoadFile;
  try {
    LoadTest test = load_test_from_json(read_text(file, kMostLoadBytes), file.string());
    if (redaction == Redaction::kYes) Redactor::redact(test);
    view.loads.emplace_back(std::move(test));
  } catch (const Error& error) {
    if (view.records.empty()) throw;
    log::warning(fmt::format("the report leaves out the load test: {}", error.what()));
  }
}

}  // namespace

std::vector<fs::path> write_reports(const fs::path& folder, const ReportFilesOptions& options) {
  std::error_code cannot_be;  // load_collection says so
  const fs::path place = fs::is_directory(folder, cannot_be) ? folder : folder.parent_path();
  for (const char* name : {"report.md", "report.html", "results.csv", kPicture, "trace.json", "trace.json.gz"})
    require_output(place / name);
  Collection collection = load_collection(folder, Parts::kSummedUp);
  for (const DamagedFile& damaged : collection.damaged)
    log::warning(fmt::format("{} is left out: {}", damaged.file.string(), damaged.message));
  const bool has_records = !collection.records.empty();
  require(has_records || has_load(place), fmt::format("{} holds no results to report", folder.string()));
  report::Beside beside = load_beside(collection.records);
  std::vector<const RunRecord*> records;
  std::map<std::string, fs::path> files;
  const Redactor redactor;
  for (StoredRecord& stored : collection.records) {
    if (options.redaction == Redaction::kYes) {  // its file beside the page is not
      const std::string id = stored.record.id;
      redactor.redact(stored.record);
      beside.rename(id, stored.record.id);
    } else {
      files.emplace(stored.record.id, stored.file.lexically_relative(place));
    }
    records.push_back(&stored.record);
  }
  const CardTables cards = load_card_tables();
  ReportView view = page_view(records, cards);
  add_ablation(place, records, options.redaction, view);
  add_load(place, options.redaction, view);
  const std::string trace = has_records ? report::trace_json(records, beside) : "";
  const TraceFile file = trace_file(trace);
  const report::HtmlOptions page{std::move(beside), place,     std::move(files), has_records ? file.name : "",
                                 poster_of,         picture_of};
  std::vector<fs::path> written;
  const auto write = [&](const char* name, const std::string& content) {
    write_atomically(place / name, content);
    written.push_back(place / name);
  };
  write("report.md", report::markdown_report(view));
  write("report.html", report::html_report(view, page));
  if (!has_records) return written;  // of a load test alone there is neither a table of runs nor a trace
  write("results.csv", report::to_csv(records, view.not_counted, options.hidden_rows));
  write(file.name, file.is_packed ? gzip(trace) : trace);
  std::error_code ignored;  // of an earlier report
  fs::remove(place / file.other_name, ignored);
  const std::string picture = report::cards_picture(view);
  if (picture.empty())
    fs::remove(place / kPicture, ignored);
  else
    write(kPicture, picture);
  return written;
}

void add_all_rows_flag(CLI::App& command, report::HiddenRows& hidden) {
  command.add_flag_callback(
      "--all-rows", [&hidden] { hidden = report::HiddenRows::kWritten; },
      "CSV with the rows of hidden work too: copies beside the stages");
}

void add_report_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand("report", "Write the report of a results folder");
  command->add_option("folder", arguments->folder, "folder that `run --output` named")->required()->type_name("DIR");
  command->add_flag_callback(
      "--redact", [arguments] { arguments->options.redaction = Redaction::kYes; },
      "leave out host name, paths, commands and prompts, for publishing");
  add_all_rows_flag(*command, arguments->options.hidden_rows);
  command->callback([arguments, &result] { result = run_report(*arguments); });
}

}  // namespace wan::cli
