// `wanbench export`: records as one CSV table (a row per stage) or one JSON array, for other programs and for
// publishing.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "analysis/summary.h"
#include "base/file.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/collections.h"
#include "cli/commands.h"
#include "cli/report_files.h"
#include "report/csv.h"
#include "results/json.h"
#include "results/redact.h"

namespace wan::cli {
namespace {

struct ExportArguments {
  std::vector<std::string> paths;
  std::string format = "csv", output;
  bool redacted = false;
  report::HiddenRows hidden_rows = report::HiddenRows::kLeftOut;
};

std::string json_array(const std::vector<StoredRecord>& records) {
  std::string out = "[";
  for (size_t i = 0; i < records.size(); ++i) {
    out.append(i == 0 ? "\n" : ",\n");
    out.append(to_json_line(records[i].record));
  }
  return out.append("\n]\n");
}

ExitCode run_export(const ExportArguments& arguments) {
  if (!arguments.output.empty()) require_output(arguments.output, Devices::kWriteThrough);
  std::vector<StoredRecord> records = load_records(arguments.paths);
  if (arguments.redacted) {
    const Redactor redactor;
    for (StoredRecord& stored : records) redactor.redact(stored.record);
  }
  const std::vector<const RunRecord*> all = pointers(records);
  const std::string text = arguments.format == "csv"
                               ? report::to_csv(all, reasons_not_counted(all), arguments.hidden_rows)
                               : json_array(records);
  if (arguments.output.empty()) {
    print_raw(text);
  } else {
    write_atomically(arguments.output, text);
  }
  return ExitCode::kSuccess;
}

}  // namespace

void add_export_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command = app.add_subcommand("export", "Write records as CSV or JSON");
  command->add_option("RESULTS", arguments->paths, "record files or results folders")->required();
  command->add_option("--format", arguments->format, "csv: a row per stage; json: an array of whole records")
      ->capture_default_str()
      ->check(CLI::IsMember({"csv", "json"}));
  command->add_option("--output", arguments->output, "file; without it, standard output");
  command->add_flag("--redact", arguments->redacted, "leave out host name, paths, commands and prompts");
  add_all_rows_flag(*command, arguments->hidden_rows);
  command->callback([arguments, &result] { result = run_export(*arguments); });
}

}  // namespace wan::cli
