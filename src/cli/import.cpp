// `wanbench import`: reports of the Python original as records, with a list of what contradicts itself in them.
#include "import/import.h"
#include "base/terminal.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/log.h"
#include "cli/commands.h"
#include "results/store.h"

namespace wan::cli {
namespace {

struct ImportArguments {
  std::vector<std::string> files;
  std::string output;
  ImportOptions options;
};

void print_findings(const RunRecord& record) {
  const Recomputed r = recompute(record);
  print("{} on {}: {} steps, {:.2f} s\n", record.run_case.name, record.system.gpus[0].name, r.steps, r.total_s);
  print(
      "  compute load of the stages {:.0f} %s (printed total {:.0f}), SM activity of the whole run {:.1f} %, in no "
      "stage {:.2f} s, steps and VAE {:.2f} s\n",
      r.leaf_load, r.header_load, r.whole_run_sm_percent, r.unattributed_s, r.gpu_part_s);
  for (const Finding& f : record.imported->findings) {
    std::string numbers;
    if (f.printed) numbers += fmt::format(" printed {:g} {}", *f.printed, f.unit);
    if (f.recomputed) numbers += fmt::format(" recomputed {:.6g} {}", *f.recomputed, f.unit);
    print("  {}{}{}: {}{}{}\n", f.code, f.where.empty() ? "" : " at ", f.where, f.message, numbers.empty() ? "" : ";",
          numbers);
  }
}

ExitCode run_import(const ImportArguments& arguments) {
  for (const std::string& file : arguments.files) {
    std::vector<RunRecord> records = import_file(file, arguments.options);
    for (RunRecord& record : records) {
      print_findings(record);
      if (!arguments.output.empty()) store_record(arguments.output, record);
    }
    if (!arguments.output.empty())
      log::info(fmt::format("{}: {} records in {}", file, records.size(), arguments.output));
  }
  return ExitCode::kSuccess;
}

}  // namespace

void add_import_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command =
      app.add_subcommand("import", "Read reports of the Python original, and list their contradictions");
  command->add_option("FILE", arguments->files, "Markdown or JSON report")->required()->check(CLI::ExistingFile);
  command->add_option("--output", arguments->output, "results folder for the records; without it, only the list");
  command->add_option("--case", arguments->options.case_name, "name of the case, which a JSON report does not have");
  command->add_option("--gpu", arguments->options.gpu_name, "name of the card, where a JSON report has it wrong");
  command->callback([arguments, &result] { result = run_import(*arguments); });
}

}  // namespace wan::cli
