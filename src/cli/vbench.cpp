// `wanbench vbench`: videos under the names by which VBench finds them. It judges them; this program does not.
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/vbench_folder.h"

namespace wan::cli {
namespace {

struct VbenchArguments {
  std::vector<std::string> videos;
  std::filesystem::path prompts, output;
};

ExitCode run_vbench(const VbenchArguments& arguments) {
  stop_on_signals({.patience = std::nullopt});  // a folder of copies takes its time to remove
  std::vector<PlannedVideo> list;
  if (!arguments.prompts.empty()) list = read_prompts(arguments.prompts, {});
  const auto stopped = [] { return received_signal() != 0; };
  VbenchFolder folder;
  try {
    folder = plan_vbench_folder(sample_videos(arguments.videos, stopped), list);
    write_vbench_folder(folder, arguments.output, stopped);
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::kInterrupted) throw;
    log::warning(problem.what());
    return received_signal() == SIGTERM ? ExitCode::kTerminated : ExitCode::kInterrupted;
  }
  for (const std::string& note : folder.notes) log::info(note);
  print("{}: {} video{}, {} of each of {} prompt{}\n", arguments.output.string(), folder.files.size(),
        folder.files.size() == 1 ? "" : "s", folder.samples, folder.prompts, folder.prompts == 1 ? "" : "s");
  return ExitCode::kSuccess;
}

}  // namespace

void add_vbench_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<VbenchArguments>();
  CLI::App* command = app.add_subcommand("vbench", "Lay out videos as VBench wants them: PROMPT-N.mp4 in one folder");
  command
      ->add_option("VIDEO", arguments->videos,
                   "mp4 files or folders of them, such as those of run, generate and serve; what each shows is read "
                   "from the file, or from the record beside it")
      ->required()
      ->type_name("");
  command
      ->add_option("--prompts", arguments->prompts,
                   "a prompt a line: each must have its videos, and those of others are left out")
      ->type_name("FILE");
  command->add_option(flags::kOutput, arguments->output, "the folder, new or empty; it gets hard links, or copies")
      ->required()
      ->type_name("DIR");
  command->footer(fmt::format(
      "Samples of a prompt are numbered from 0 by their seeds, at most {}. MLPerf's text-to-video takes the mean of "
      "six "
      "dimensions of VBench: subject_consistency, background_consistency, dynamic_degree, motion_smoothness, "
      "appearance_style and scene, with one video a prompt: evaluate.py --videos_path DIR --dimension "
      "subject_consistency ...",
      kMostSamples));
  command->callback([arguments, &result] { result = run_vbench(*arguments); });
}

}  // namespace wan::cli
