// `wanbench generate`: one video, or several by one engine, with a progress line on a terminal and what it cost at the
// end.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/checked_number.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/expected.h"
#include "cli/generate_json.h"
#include "cli/generate_outputs.h"
#include "cli/preview_strip.h"
#include "cli/prompts_file.h"
#include "cli/request_options.h"
#include "cli/signals.h"
#include "cli/video_batch.h"
#include "cli/video_maker.h"

namespace wan::cli {
namespace {

/// Seeds of one prompt follow one another: its text is encoded once.
constexpr int64_t kCachedPrompts = 8;

/// Of videos that were not made, named at the end.
constexpr size_t kMostNamed = 20;

struct GenerateOptions {
  Request request;
  std::filesystem::path prompts, preview;
  std::vector<uint64_t> seeds;
  bool discard = false, force = false, trace_kernels = false;
  bool verbose = false, quiet = false, json = false, yes = false;

  bool is_batch() const { return !prompts.empty() || !seeds.empty(); }
  Keep keep() const { return discard ? Keep::kNo : Keep::kYes; }
  Agreement agreement() const { return yes ? Agreement::kGiven : Agreement::kAsk; }
  Existing existing() const { return force ? Existing::kReplaced : Existing::kRefused; }
  Progress progress() const { return quiet ? Progress::kSilent : Progress::kShown; }
  Kernels kernels() const { return trace_kernels ? Kernels::kWatched : Kernels::kUnwatched; }
};

/// "1,2,3".
std::vector<uint64_t> read_seeds(const std::string& text) {
  std::vector<uint64_t> seeds;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = std::string_view(text).substr(begin, end - begin);
    const std::optional<uint64_t> seed = checked_number(word, kAnySeed);
    require(seed.has_value(),
            fmt::format("--seeds '{}': expected whole numbers with a comma between each two, as 1,2,3; found '{}'",
                        text, word),
            ErrorKind::kUsage);
    require(std::find(seeds.begin(), seeds.end(), *seed) == seeds.end(),
            fmt::format("--seeds '{}': {} is there twice, and both videos would be the same", text, *seed),
            ErrorKind::kUsage);
    seeds.push_back(*seed);
    begin = end + 1;
  }
  return seeds;
}

/// Results for people: on standard output, or beside the document that stands there.
void tell(const GenerateOptions& options, const std::string& text) {
  if (options.json)
    fmt::print(stderr, "{}", text);
  else
    print_raw(text);
}

/// The output that a request is to have, where nobody has named it.
void name_output(Request& request, Keep keep) {
  const bool is_in_folder = names_folder(request.output);
  const bool is_unnamed = request.output.empty() && request.frames.empty() && request.dump.empty();
  if (is_in_folder || (is_unnamed && keep == Keep::kYes))
    request.output = unused_file(request.output, name_of_video(request.prompt, request.seed));
}

void tell_video(const GenerateOptions& options, const VideoResult& made, const std::string& kernels) {
  const std::string place = place_of(made.request);
  if (options.quiet) {
    if (!place.empty()) tell(options, terminal_format("{}\n", place));
    return;
  }
  tell(options,
       (options.verbose ? stage_table(made) : "") + kernels + replay_text(made) + summary(made) + summary_row(made));
}

/// Where nobody has said which weights, the small model that comes with the program.
Request with_weights(Request request, bool is_quiet) {
  if (request.names_weights() || request.random_weights) return request;
  require(request.model.empty(),
          fmt::format("{} {} without its weights: name their folder with {}, or say {} {}", flags::kModel,
                      request.model, flags::kCheckpoint, flags::kWeights, flags::kRandomWeights),
          ErrorKind::kUsage);
  request.checkpoint = default_checkpoint();
  if (!is_quiet)
    fmt::print(stderr, "{}",
               wrapped(fmt::format("no {}: the small model that comes with the program makes it; `wanbench inspect {}` "
                                   "says what it knows",
                                   flags::kCheckpoint, request.checkpoint.string()),
                       0)
                   .text);
  return request;
}

/// One video, as one result; kComparison where replayed steps are further off than their class allows. What was wrong
/// before work is thrown; what went wrong in it as well, with the result kept.
ExitCode generate_one(const GenerateOptions& options, std::vector<VideoResult>& results) {
  VideoResult& result = results.emplace_back();
  result.request = with_weights(understand(options.request), options.quiet);
  name_output(result.request, options.keep());
  if (!options.preview.empty()) require_preview(options.preview);
  require_outputs(result.request, options.existing(), options.preview);
  VideoMaker maker(options.progress(), options.kernels());
  PreviewStrip previews;
  if (!options.preview.empty()) maker.show(&previews);
  require_places(result.request, options.preview);
  expect_videos(maker, {&result.request}, options.agreement(), options.quiet);
  maker.make(result);
  if (!result.request.frames.empty()) remove_later_frames(result.request.frames, result.outcome->num_frames);
  tell_video(options, result, maker.kernels());
  if (!options.preview.empty())
    show_previews(previews, options.preview,
                  options.json || options.quiet ? TerminalPictures::kNone : terminal_pictures());
  const std::optional<Replayed> replay = replayed(result);
  return replay && !replay->holds() ? ExitCode::kComparison : ExitCode::kSuccess;
}

std::vector<PlannedVideo> planned_videos(const GenerateOptions& options) {
  require(!options.trace_kernels, "--trace-kernels watches one video: leave out --prompts and --seeds",
          ErrorKind::kUsage);
  require(options.preview.empty(), "--preview is of one video: leave out --prompts and --seeds", ErrorKind::kUsage);
  require(options.request.replay.empty(),
          fmt::format("{} is of one video: leave out --prompts and --seeds", flags::kReplay), ErrorKind::kUsage);
  const Request base = with_weights(understand(options.request), options.quiet);
  std::vector<PlannedVideo> videos =
      options.prompts.empty() ? std::vector{PlannedVideo{"", base, false}} : read_prompts(options.prompts, base);
  videos = with_seeds(videos, options.seeds);
  name_outputs(videos, base, options.keep());
  check_videos(videos, options.existing());
  return videos;
}

/// What a video of several is called in messages.
std::string name_of(const VideoResult& result) {
  const std::string place = place_of(result.request);
  const std::string name = place.empty() ? name_of_video(result.request.prompt, result.request.seed) : place;
  return result.where.empty() ? name : fmt::format("{} ({})", name, result.where);
}

void tell_one_of(const GenerateOptions& options, const VideoResult& result, size_t number, size_t count) {
  if (result.failure) {
    if (result.failure->kind != ErrorKind::kInterrupted)
      log::error(fmt::format("{}: {}", name_of(result), result.failure->message));
    return;
  }
  if (!result.request.frames.empty()) remove_later_frames(result.request.frames, result.outcome->num_frames);
  if (options.quiet) return tell_video(options, result, "");
  const VideoCost& cost = *result.cost;
  tell(options,
       terminal_format("[{}/{}] {}  {:.2f} s, {:.2f} s a step, frames {}\n", number, count, name_of(result),
                       1e-9 * double(total_ns(cost).value.value_or(0)), 1e-9 * double(step_ns(cost).value.value_or(0)),
                       result.outcome->video_sha256.substr(0, 16)));
  if (options.verbose) tell(options, stage_table(result));
}

void tell_failed(const std::vector<VideoResult>& results, size_t count) {
  std::string names;
  size_t failed = 0;
  for (const VideoResult& result : results) {
    if (!result.failure || result.failure->kind == ErrorKind::kInterrupted) continue;
    if (++failed <= kMostNamed) names += (names.empty() ? "" : ", ") + name_of(result);
  }
  if (failed > kMostNamed) names += fmt::format(" and {} more", failed - kMostNamed);
  if (failed > 0) log::error(fmt::format("{} of {} videos were not made: {}", failed, count, names));
}

ExitCode generate_several(const GenerateOptions& options, std::vector<VideoResult>& results) {
  const std::vector<PlannedVideo> videos = planned_videos(options);
  VideoMaker maker(options.progress(), Kernels::kUnwatched, EngineOptions{.cached_prompts = kCachedPrompts});
  std::vector<const Request*> requests;
  for (const PlannedVideo& video : videos) requests.push_back(&video.request);
  for (const PlannedVideo& video : videos) require_places(video.request);
  expect_videos(maker, requests, options.agreement(), options.quiet);
  results = make_videos(videos, maker, [&](const VideoResult& result, size_t number) {
    tell_one_of(options, result, number, videos.size());
  });
  tell_failed(results, videos.size());
  const ExitCode code = code_of(results);
  if (code != ExitCode::kSuccess && code != ExitCode::kFailure) log::warning(results.back().failure->message);
  return code;
}

ExitCode generate(const GenerateOptions& options, std::vector<VideoResult>& results) {
  if (options.is_batch()) return generate_several(options, results);
  try {
    return generate_one(options, results);
  } catch (const Error& problem) {
    results.back().failure = failure_of(problem);
    results.back().outcome.reset();
    if (problem.kind() == ErrorKind::kInterrupted)
      log::warning(problem.what());
    else
      log::error(problem.what());
    return results.back().failure->code;
  }
}

ExitCode run_generate(const GenerateOptions& options) {
  std::vector<VideoResult> results;
  std::optional<VideoFailure> failure;
  ExitCode code = ExitCode::kSuccess;
  if (options.json)
    on_leaving([](ExitCode left_with) {
      const bool is_stuck = left_with == ExitCode::kFailure;
      const VideoFailure problem{is_stuck ? ErrorKind::kRuntime : ErrorKind::kInterrupted,
                                 is_stuck ? "a rank stood still" : "interrupted in the middle of its work", left_with};
      print_raw(generate_json({}, left_with, problem));
      finish_output();
    });
  try {
    code = generate(options, results);
  } catch (const Error& problem) {
    if (!options.json) throw;
    log::error(problem.what());
    failure = failure_of(problem);
    code = failure->code;
  } catch (const std::exception& problem) {  // memory, or a path that no file system has
    if (!options.json) throw;
    log::error(problem.what());
    code = ExitCode::kFailure;
    failure = {ErrorKind::kRuntime, problem.what(), code};
  }
  on_leaving({});
  if (options.json) print_raw(generate_json(results, code, failure));
  return code;
}

void add_several(CLI::App& command, GenerateOptions& options) {
  CLI::Option* prompts =
      command
          .add_option("--prompts", options.prompts,
                      "a video for each line: its prompt, or a JSON object with the options of a request; blank lines "
                      "and lines that begin with # are passed over. All are checked before the first is made, and "
                      "named by number and words in the folder of --output DIR/")
          ->type_name("FILE");
  prompts->excludes(command.get_option("--prompt"));
  command
      .add_option_function<std::string>(
          "--seeds", [&options](const std::string& text) { options.seeds = read_seeds(text); },
          "a video for each of these seeds, of every prompt: 1,2,3")
      ->type_name("N,N,...")
      ->excludes(command.get_option("--seed"));
}

}  // namespace

void add_generate_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Generate a video, or several by one engine");
  add_request_options(*command, options->request, VideoFile::kYes);
  add_several(*command, *options);
  command->add_flag("--discard", options->discard, "compute and hash the frames, write none");
  command
      ->add_option(
          "--preview", options->preview,
          "a rough look at the video after each step, all in one PNG, also shown by terminals that can (kitty, "
          "sixel)")
      ->type_name("FILE.png");
  command->add_flag(kForce, options->force, "replace outputs that are there already");
  command->add_flag("--yes", options->yes, "go on without asking where a CPU will take more than 10 minutes");
  command->add_flag("--trace-kernels", options->trace_kernels,
                    "watch every kernel (CUPTI) and say where the time of each stage goes; slows the run");
  CLI::Option* verbose = command->add_flag("--verbose", options->verbose, "also say the time of every stage");
  command->add_flag("--quiet", options->quiet, "say errors and the file's name alone")->excludes(verbose);
  command->add_flag("--json", options->json,
                    "one document on standard output: request, outcome, stages, memory, energy, files; all else goes "
                    "to standard error");
  command->footer(
      "Without --output, --frames, --dump and --discard the video is named after its prompt and seed: "
      "a-cat-on-a-skateboard-42.mp4. --output DIR/ names so what it puts into that folder.");
  command->callback([options, &result] { result = run_generate(*options); });
}

}  // namespace wan::cli
