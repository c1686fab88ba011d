// `wanbench fidelity`: how far a video is from a reference in what it shows, and its latents from those of the
// reference.
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/fidelity_input.h"
#include "cli/fidelity_result.h"
#include "io/tensor_file.h"
#include "io/video_frames.h"

namespace wan::cli {
namespace {

struct FidelityArguments {
  std::filesystem::path a, b, latents_a, latents_b;
  ByFrame by_frame = ByFrame::kNo;
  Wording wording = Wording::kText;
};

ExitCode run_fidelity(const FidelityArguments& arguments) {
  const auto reference = open_video_frames(video_of(arguments.a)), test = open_video_frames(video_of(arguments.b));
  FidelityReport report;
  if (!arguments.latents_a.empty())  // first: it takes no time to find that they do not fit
    report.latents = compare_latents(TensorFile::open(arguments.latents_a), TensorFile::open(arguments.latents_b));
  report.videos = compare_videos(*reference, *test);
  if (arguments.wording == Wording::kJson)
    print_json(json_of(report, arguments.by_frame));
  else
    print_fidelity(report, arguments.by_frame);
  return ExitCode::kSuccess;
}

}  // namespace

void add_fidelity_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<FidelityArguments>();
  CLI::App* command =
      app.add_subcommand("fidelity", "How far a video is from a reference: PSNR, SSIM, MS-SSIM, FLIP, flicker");
  command
      ->add_option("A", arguments->a,
                   "the reference: an mp4, a folder of frames from `generate --frames`, a run's record or its folder")
      ->required()
      ->type_name("PATH");
  command->add_option("B", arguments->b, "what is compared with it, as A")->required()->type_name("PATH");
  CLI::Option* latents_a =
      command->add_option("--latents-a", arguments->latents_a, "what `generate --dump` wrote of A: latents by step")
          ->type_name("FILE");
  CLI::Option* latents_b = command->add_option("--latents-b", arguments->latents_b, "the same of B")->type_name("FILE");
  latents_a->needs(latents_b);
  latents_b->needs(latents_a);
  command->add_flag_callback(
      "--frames", [arguments] { arguments->by_frame = ByFrame::kYes; }, "every frame's numbers too");
  add_json_flag(*command, arguments->wording);
  command->footer(
      "Videos of another size, length or frame rate are not comparable: exit code 5. An mp4's numbers include what its "
      "encoder took. What each metric is: docs/method.md.");
  command->callback([arguments, &result] { result = run_fidelity(*arguments); });
}

}  // namespace wan::cli
