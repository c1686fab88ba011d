// `wanbench import`: reports of other programs as records, with what contradicts itself in them.
#include "import/import.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "results/device_name.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

enum class Findings { kOfEachKind, kAll };

struct ImportArguments {
  std::vector<std::string> paths;
  std::string output;
  Findings findings = Findings::kOfEachKind;
  ImportOptions options;
};

std::string counted(size_t n, const std::string& one) { return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s"); }

std::string with_unit(double value, std::string unit) {
  const bool is_counted = unit.size() > 1 && std::isalpha(static_cast<unsigned char>(unit[0])) != 0;
  if (value == 1 && is_counted && unit.ends_with('s')) unit.pop_back();  // "1 run"
  return unit.empty() ? fmt::format("{:.6g}", value) : fmt::format("{:.6g} {}", value, unit);
}

std::string text_of(const Finding& finding) {
  std::string text = finding.message;
  if (!finding.where.empty()) text = finding.where + ": " + text;
  if (finding.printed) text += "; printed " + with_unit(*finding.printed, finding.unit);
  if (finding.recomputed)
    text += (finding.printed ? ", it is " : "; it is ") + with_unit(*finding.recomputed, finding.unit);
  return text;
}

std::string text_of(const ValidityFlag& flag) {
  return flag.stage.empty() ? flag.detail : flag.stage + ": " + flag.detail;
}

std::string run_text(const RunRecord& record) { return record.run_case.name + " on " + device_name(record); }

/// What a record says against itself and of its numbers: kind and text.
std::vector<std::pair<std::string, std::string>> remarks_of(const RunRecord& record) {
  std::vector<std::pair<std::string, std::string>> remarks;
  for (const Finding& finding : record.imported->findings) remarks.emplace_back(finding.code, text_of(finding));
  for (const ValidityFlag& flag : record.validity) remarks.emplace_back(flag.name, text_of(flag));
  return remarks;
}

void print_summary(const std::string& file, const std::vector<RunRecord>& records) {
  std::set<std::string> cards, cases;
  for (const RunRecord& record : records) {
    cards.insert(device_name(record));
    cases.insert(record.run_case.name);
  }
  print("{}", wrapped(fmt::format("{}: {}, {}, {}", file, counted(records.size(), "record"),
                                  counted(cards.size(), "card"), counted(cases.size(), "case")),
                      0));
}

/// Each kind once, with its count and its first example, the most frequent first.
void print_kinds(const std::vector<RunRecord>& records) {
  struct Kind {
    std::string name, example;
    size_t count = 0;
  };
  std::vector<Kind> kinds;
  size_t all = 0;
  for (const RunRecord& record : records) {
    for (const auto& [name, text] : remarks_of(record)) {
      auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const Kind& known) { return known.name == name; });
      if (kind == kinds.end())
        kind = kinds.insert(kind, Kind{name, fmt::format("{} ({})", text, record.run_case.name), 0});
      ++kind->count;
      ++all;
    }
  }
  if (all == 0) return print("  no findings\n");
  std::stable_sort(kinds.begin(), kinds.end(), [](const Kind& a, const Kind& b) { return a.count > b.count; });
  print("  {} of {}, an example of each; --findings lists all\n", counted(all, "finding"),
        counted(kinds.size(), "kind"));
  for (const Kind& kind : kinds)
    print("{}", wrapped(fmt::format("{}x {}: {}", kind.count, kind.name, kind.example), 2));
}

void print_all(const std::vector<RunRecord>& records) {
  for (const RunRecord& record : records) {
    const auto remarks = remarks_of(record);
    print("{}", wrapped(run_text(record) + (remarks.empty() ? ": no findings" : ""), 2));
    for (const auto& [name, text] : remarks) print("{}", wrapped(name + ": " + text, 4));
  }
}

void import_one(const std::string& file, const ImportArguments& arguments) {
  std::vector<RunRecord> records = import_file(file, arguments.options);
  print_summary(file, records);
  arguments.findings == Findings::kAll ? print_all(records) : print_kinds(records);
  if (arguments.output.empty()) return;
  for (RunRecord& record : records) store_record(arguments.output, record);
  log::info(fmt::format("{}: {} in {}", file, counted(records.size(), "record"), arguments.output));
}

/// The reports in a folder, four levels deep as records are found. Records that lie there already and what is of no
/// format that is read are passed over; damaged files are named.
void import_folder(const fs::path& folder, const ImportArguments& arguments) {
  bool any = false;
  for (const fs::path& file : files_in(folder)) {
    try {
      if (file.filename().string().ends_with(".run.json") || !is_report(file)) continue;
      import_one(file.string(), arguments);
      any = true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInput) throw;
      log::warning(fmt::format("left out: {}", error.what()));
    }
  }
  require(any, fmt::format("{}: expected reports that can be imported in this folder, found none", folder.string()));
}

ExitCode run_import(const ImportArguments& arguments) {
  std::error_code cannot_be;  // reading the file says why
  for (const std::string& path : arguments.paths)
    fs::is_directory(path, cannot_be) ? import_folder(path, arguments) : import_one(path, arguments);
  return ExitCode::kSuccess;
}

}  // namespace

void add_import_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = app.add_subcommand("import", "Read other programs' reports, and list their contradictions");
  command
      ->add_option("FILE", arguments->paths,
                   "the Python original's Markdown or JSON report, results.json of Comfy Desktop's Performance Tests, "
                   "MLPerf's summary.csv; or a folder of such files")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--output", arguments->output, "results folder for the records; without it, only the findings");
  command->add_flag_callback(
      "--findings", [arguments] { arguments->findings = Findings::kAll; },
      "every finding of every run, instead of an example of each kind");
  command->add_option("--case", arguments->options.case_name, "name of the case, which a JSON report does not have");
  command->add_option("--gpu", arguments->options.gpu_name, "name of the card, where a JSON report has it wrong");
  command->callback([arguments, &result] { result = run_import(*arguments); });
}

}  // namespace wan::cli
