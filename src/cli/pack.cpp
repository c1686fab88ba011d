// `wanbench pack`: a copy of a checkpoint whose DiT is stored as the engine keeps it in bf16, half the bytes to read.
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/checkpoint_progress.h"
#include "cli/commands.h"
#include "cli/part_options.h"

namespace wan::cli {

void add_pack_command(CLI::App& app, ExitCode& result) {
  auto source = std::make_shared<WeightChoice>();
  auto target = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("pack", "Copy a checkpoint with its DiT in bf16, in the order it is loaded; the same results");
  command->add_option("PATH", source->checkpoint, "checkpoint folder in any layout, or a file")->required();
  add_part_options(*command, *source);
  command->add_option("OUT", *target, "folder to write, new or empty")->required();
  command->callback([source, target, &result] {
    result =
        write_with_progress(*target, [&](const WriteOptions& options) { pack_checkpoint(*source, *target, options); });
  });
}

}  // namespace wan::cli
