// `wanbench inspect`: what a checkpoint, a part of one or a LoRA is, read from headers alone.
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/inspected_lora.h"
#include "cli/inspected_model.h"
#include "cli/json_document.h"
#include "cli/part_options.h"
#include "model/foreign_files.h"

namespace wan::cli {
namespace {

ExitCode run_inspect(const WeightChoice& choice, Wording wording) {
  require(!choice.empty(), "inspect: name a checkpoint, a file, or parts with --dit and others", ErrorKind::kUsage);
  if (const auto foreign = find_foreign_files(choice.checkpoint)) {
    if (foreign->kind != ForeignKind::kLora) throw Error(ErrorKind::kInput, foreign->message());
    const InspectedLora lora = inspect_lora(choice.checkpoint);
    wording == Wording::kJson ? print_json(json_of(lora)) : print_lora(lora);
    return ExitCode::kSuccess;
  }
  const InspectedModel model = inspect_model(choice);
  wording == Wording::kJson ? print_json(json_of(model)) : print_model(model);
  return ExitCode::kSuccess;
}

}  // namespace

void add_inspect_command(CLI::App& app, ExitCode& result) {
  auto choice = std::make_shared<WeightChoice>();
  auto wording = std::make_shared<Wording>(Wording::kText);
  CLI::App* command = app.add_subcommand("inspect", "Say what a checkpoint or a LoRA is, and what it needs here");
  command->add_option("PATH", choice->checkpoint, "checkpoint folder in any layout, or a file; or a LoRA");
  add_part_options(*command, *choice);
  add_json_flag(*command, *wording);
  command->callback([choice, wording, &result] { result = run_inspect(*choice, *wording); });
}

}  // namespace wan::cli
