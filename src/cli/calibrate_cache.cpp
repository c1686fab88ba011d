// `wanbench calibrate-cache`: makes one video without reuse and writes how the magnitude of what the DiT's blocks add
// changes from step to step: the curve by which `--step-cache magcache` reuses steps of other videos.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/flags.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/expected.h"
#include "cli/generate_outputs.h"
#include "cli/request_options.h"
#include "cli/video_maker.h"
#include "pipeline/cache_curve.h"
#include "pipeline/decisions.h"
#include "pipeline/request_words.h"
#include "sampler/forward_schedule.h"

namespace wan::cli {
namespace {

struct CalibrateOptions {
  Request request;
  std::string output;
  bool force = false, quiet = false, yes = false;
};

/// Of those that decide the video and how it is computed: a curve is of one without reuse.
bool is_taken(const Option& option) {
  for (const std::string_view flag : {flags::kStepCache, flags::kCacheThreshold, flags::kCacheMaxSkips,
                                      flags::kCacheRetention, flags::kCacheCurve, flags::kCfgGate})
    if (option.flag == flag) return false;
  return !option.is_output() && option.key != "dump_level";
}

Request request_of(const CalibrateOptions& options) {
  Request request = understand(options.request);
  if (!request.names_weights() && !request.random_weights) request.checkpoint = default_checkpoint();
  request.curve = options.output;
  require_outputs(request, options.force ? Existing::kReplaced : Existing::kRefused);
  return request;
}

/// What the curve does to a video as the one it was made of.
std::string use_of(Request request) {
  request.step_cache = StepCache::kMagCache;
  request.cache_curve = request.curve;
  request.curve.clear();
  const Decisions decisions = decide(request);
  return fmt::format("{} {} {} {}: {} of {} forwards are computed ({})", flags::kStepCache,
                     enum_name(StepCache::kMagCache), flags::kCacheCurve, request.cache_curve.string(),
                     decisions.forwards_planned.value_or(0), decisions.forwards_in_all, decisions.forwards_cond);
}

ExitCode run_calibrate(const CalibrateOptions& options) {
  VideoResult made;
  made.request = request_of(options);
  VideoMaker maker(options.quiet ? Progress::kSilent : Progress::kShown);
  require_places(made.request);
  expect_videos(maker, {&made.request}, options.yes ? Agreement::kGiven : Agreement::kAsk, options.quiet);
  maker.make(made);
  const bool may_be_reused = made.outcome->steps >= kLeastReusingSteps;
  print("wrote {}\n", made.request.curve.string());
  if (!options.quiet && may_be_reused) print("{}", wrapped(use_of(made.request), 0, 2));
  return ExitCode::kSuccess;
}

}  // namespace

void add_calibrate_cache_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App* command = app.add_subcommand(
      "calibrate-cache", "Make a video and write the curve by which --step-cache magcache reuses steps of others");
  add_request_options(*command, options->request, VideoFile::kNo, is_taken);
  command->add_option(flags::kOutput, options->output, "file for the curve, JSON")->type_name("FILE")->required();
  command->add_flag(kForce, options->force, "replace the file where it is there already");
  command->add_flag("--yes", options->yes, "go on without asking where a CPU will take more than 10 minutes");
  command->add_flag("--quiet", options->quiet, "say errors and the file's name alone");
  command->footer(
      "The video itself is not kept. A curve goes with the model, with whether the video begins with an "
      "image, with the shift and the number of steps; of another number it is stretched.");
  command->callback([options, &result] { result = run_calibrate(*options); });
}

}  // namespace wan::cli
