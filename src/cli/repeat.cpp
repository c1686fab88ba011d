// `wanbench repeat`: makes a video again from what its mp4 says of itself, and says whether its frames are the same.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/build_info.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/subprocess.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/expected.h"
#include "cli/generate_outputs.h"
#include "cli/request_options.h"
#include "cli/video_maker.h"
#include "io/video_tags.h"
#include "pipeline/cache_curve.h"
#include "pipeline/request_words.h"
#include "pipeline/video_metadata.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

/// Where inputs are, how and where to compute, and what to write. What the video shows is the video's own.
constexpr std::array<std::string_view, 33> kTaken{
    "checkpoint", "gpu_memory_limit", "dit",         "dit_high",  "dit_low",       "text_encoder",
    "vae",        "tokenizer",        "lora",        "lora_high", "lora_low",      "image",
    "last_image", "initial_latent",   "device",      "precision", "vae_precision", "text_encoder_device",
    "offload",    "overlap",          "vae_chunk",   "vae_slice", "tuning_table",  "output",
    "frames",     "no_metadata",      "cache_curve", "audio",     "pose_video",    "animate_inputs",
    "gpus",       "parallel",         "comm_timeout"};

struct RepeatOptions {
  fs::path video;
  Request given;
  bool force = false, quiet = false, yes = false;
};

VideoMetadata read_metadata(const fs::path& video) {
  const VideoTags tags = read_video_tags(video);
  require(!tags.comment.empty(),
          fmt::format("{}: says nothing of how it was made: expected the comment that wanbench writes into an mp4, and "
                      "that --no-metadata or another program leaves out",
                      video.string()));
  return video_metadata_from_json(tags.comment, video.string() + ": its comment");
}

/// What is told of the video and of this run, where it is not the same.
class Differences {
 public:
  void add(const char* what, const std::string& was, const std::string& now) {
    if (was != now)
      lines_.push_back(fmt::format("{}: now {}, was {}", what, now.empty() ? "none" : now, was.empty() ? "none" : was));
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
};

/// Which file an option must name, for the work of the video.
fs::path input_of(const std::optional<InputFile>& made_of, const fs::path& given, const char* flag,
                  const fs::path& video, Differences& differences) {
  require(made_of || given.empty(),
          fmt::format("{} {}: {} was made without such a file: leave it out", flag, given.string(), video.string()),
          ErrorKind::kUsage);
  if (!made_of) return {};
  require(!given.empty(),
          fmt::format("{} was made of the file '{}', SHA-256 {}: name it with {}", video.string(), made_of->name,
                      made_of->sha256, flag),
          ErrorKind::kUsage);
  const std::string digest = input_file(given)->sha256;
  differences.add(flag, "SHA-256 " + made_of->sha256, "SHA-256 " + digest);
  return given;
}

/// The step cache's curve: one that came with the program has no name.
fs::path curve_of(const VideoMetadata& metadata, const RepeatOptions& options, Differences& differences) {
  const bool is_named = metadata.cache_curve && !metadata.cache_curve->name.empty();
  if (is_named || !options.given.cache_curve.empty())
    return input_of(metadata.cache_curve, options.given.cache_curve, flags::kCacheCurve, options.video, differences);
  if (!metadata.cache_curve) return {};
  const auto now = builtin_curve(metadata.model, metadata.image.has_value());
  differences.add("the program's curve", "SHA-256 " + metadata.cache_curve->sha256,
                  now ? "SHA-256 " + now->sha256 : std::string());
  return {};
}

/// By content: a file may have another name.
bool are_same(std::vector<WeightIdentity> a, std::vector<WeightIdentity> b) {
  const auto key = [](const WeightIdentity& file) { return std::tie(file.component, file.digest, file.size_bytes); };
  const auto less = [&](const WeightIdentity& x, const WeightIdentity& y) { return key(x) < key(y); };
  std::sort(a.begin(), a.end(), less);
  std::sort(b.begin(), b.end(), less);
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const WeightIdentity& x, const WeightIdentity& y) { return key(x) == key(y); });
}

std::string text_of(const std::vector<WeightIdentity>& weights) {
  constexpr size_t kMostListed = 30;
  constexpr size_t kDigits = 16;
  std::string text;
  for (size_t i = 0; i < weights.size() && i < kMostListed; ++i)
    text += fmt::format("\n{} {}, {} bytes, {} {}", weights[i].component, weights[i].file, weights[i].size_bytes,
                        kEdgeDigest, weights[i].digest.substr(0, kDigits));
  return text + (weights.size() > kMostListed ? "\n..." : "");
}

/// The parts of a model whose files are others.
std::string parts_that_differ(const std::vector<WeightIdentity>& was, const std::vector<WeightIdentity>& now) {
  std::vector<std::string> parts;
  for (const auto* list : {&was, &now})
    for (const WeightIdentity& file : *list)
      if (std::find(parts.begin(), parts.end(), file.component) == parts.end()) parts.push_back(file.component);
  std::string text;
  for (const std::string& part : parts) {
    const auto of_part = [&](std::vector<WeightIdentity> files) {
      std::erase_if(files, [&](const WeightIdentity& file) { return file.component != part; });
      return files;
    };
    if (!are_same(of_part(was), of_part(now))) text += (text.empty() ? "" : ", ") + part;
  }
  return text;
}

bool is_lora(const WeightIdentity& file) { return file.component.starts_with("lora"); }

/// Those of the model, or the LoRAs.
std::vector<WeightIdentity> part_of(std::vector<WeightIdentity> weights, bool are_loras) {
  std::erase_if(weights, [&](const WeightIdentity& file) { return is_lora(file) != are_loras; });
  return weights;
}

/// " --lora style.safetensors=0.7 --lora-high ...", as they would be given.
std::string flags_of(const std::vector<WeightIdentity>& loras) {
  std::string text;
  for (const WeightIdentity& file : loras) {
    if (!file.strength) continue;  // what peft says beside the factors before it
    const char* flag = file.component == "lora"              ? flags::kLora
                       : file.component == "lora.high_noise" ? flags::kLoraHigh
                                                             : flags::kLoraLow;
    text += fmt::format(" {} {}", flag, shell_quoted(fmt::format("{}={}", file.file, *file.strength)));
  }
  return text;
}

/// The LoRAs that are named, which a video that was made with some must be given.
void take_loras(const VideoMetadata& metadata, const RepeatOptions& options, Request& request,
                Differences& differences) {
  const std::vector<WeightIdentity> was = part_of(metadata.weights, true);
  const std::vector<LoraChoice> given = options.given.weights().loras;
  require(!was.empty() || given.empty(),
          fmt::format("{} was made without LoRAs: leave out {}", options.video.string(), flags::kLora),
          ErrorKind::kUsage);
  require(was.empty() || !given.empty(),
          fmt::format("{} was made with LoRAs: name them with{}", options.video.string(), flags_of(was)),
          ErrorKind::kUsage);
  request.lora = options.given.lora;
  request.lora_high = options.given.lora_high;
  request.lora_low = options.given.lora_low;
  const std::vector<WeightIdentity> now = identify_loras(given);
  const auto same = [](const WeightIdentity& a, const WeightIdentity& b) {
    return a.component == b.component && a.digest == b.digest && a.size_bytes == b.size_bytes &&
           a.strength == b.strength;
  };
  if (!std::equal(was.begin(), was.end(), now.begin(), now.end(), same))
    differences.add("LoRAs", flags_of(was).substr(1),
                    flags_of(now) == flags_of(was) ? "other files of these names" : flags_of(now).substr(1));
}

/// The weights: those that are named, else the program's own where the video was made with it.
WeightChoice weights_of(const VideoMetadata& metadata, const RepeatOptions& options, Differences& differences) {
  const WeightChoice given = options.given.weights();
  if (metadata.request.random_weights) {
    require(given.empty(),
            fmt::format("{} was made with random weights: leave out {}", options.video.string(), flags::kCheckpoint),
            ErrorKind::kUsage);
    return {};
  }
  WeightChoice choice = given;
  if (given.empty()) choice.checkpoint = default_checkpoint();
  const std::vector<WeightIdentity> weights = part_of(identify_weights(choice), false);
  const std::vector<WeightIdentity> was = part_of(metadata.weights, false);
  if (are_same(was, weights)) return choice;
  require(!given.empty(),
          fmt::format("{} was made with the model {}, whose weights do not come with the program: name their folder "
                      "with {}{}",
                      options.video.string(), metadata.model, flags::kCheckpoint, text_of(was)),
          ErrorKind::kUsage);
  differences.add("weights", was.empty() ? std::string("not said") : "others (" + metadata.model + ")",
                  fmt::format("{} (other files: {})", choice.title().string(), parts_that_differ(was, weights)));
  return choice;
}

Request request_of(const VideoMetadata& metadata, const RepeatOptions& options, Differences& differences) {
  const Request& given = options.given;
  Request request = metadata.request;
  request.image = input_of(metadata.image, given.image, "--image", options.video, differences);
  request.audio = input_of(metadata.audio, given.audio, "--audio", options.video, differences);
  request.pose_video = input_of(metadata.pose_video, given.pose_video, "--pose-video", options.video, differences);
  request.animate_inputs =
      input_of(metadata.animate_inputs, given.animate_inputs, "--animate-inputs", options.video, differences);
  request.last_image = input_of(metadata.last_image, given.last_image, "--last-image", options.video, differences);
  request.initial_latent =
      input_of(metadata.initial_latent, given.initial_latent, "--initial-latent", options.video, differences);
  request.cache_curve = curve_of(metadata, options, differences);
  request.set_weights(weights_of(metadata, options, differences));
  take_loras(metadata, options, request, differences);
  request.device = given.device;
  request.gpus = given.gpus;
  request.parallel = given.parallel;
  request.comm_timeout = given.comm_timeout;
  if (given.precision) request.precision = given.precision;
  if (given.vae_precision) request.vae_precision = given.vae_precision;
  if (!given.text_encoder_device.empty()) request.text_encoder_device = given.text_encoder_device;
  request.offload = given.offload;
  request.gpu_memory_limit = given.gpu_memory_limit;
  request.overlap = given.overlap;
  request.vae_chunk = given.vae_chunk;
  request.vae_slice = given.vae_slice;
  request.tuning_table = given.tuning_table;
  request.output = given.output;
  request.frames = given.frames;
  request.no_metadata = given.no_metadata;
  return checked(request);
}

std::string program_text(const std::string& version, const std::string& commit, bool is_dirty) {
  return fmt::format("wanbench {} ({}{})", version, commit, is_dirty ? ", changed" : "");
}

std::string word_of(const std::optional<Precision>& precision) {
  return precision ? std::string(enum_name(*precision)) : std::string();
}

void compare_runs(const VideoMetadata& metadata, const VideoResult& made, Differences& differences) {
  const BuildInfo& build = build_info();
  const Decisions now = made.cost->decisions.value_or(Decisions{});
  differences.add("program", program_text(metadata.version, metadata.git_commit, metadata.git_dirty),
                  program_text(build.version, build.revision, build.dirty));
  differences.add("device", metadata.device_name, now.device_name);
  differences.add("precision", word_of(metadata.request.precision), word_of(made.request.precision));
  differences.add("VAE's precision", word_of(metadata.request.vae_precision), word_of(made.request.vae_precision));
  differences.add("text encoder on", metadata.request.text_encoder_device, made.request.text_encoder_device);
  differences.add("table of kernels", metadata.kernel_table, now.kernel_table);
}

ExitCode conclude(const VideoMetadata& metadata, const VideoResult& made, const Differences& differences) {
  for (const std::string& line : differences.lines()) print("{}\n", line);
  const std::string& frames = made.outcome->video_sha256;
  if (!place_of(made.request).empty()) print("wrote {}\n", place_of(made.request));
  if (frames == metadata.frames_sha256) {
    print("same frames, SHA-256 {}\n", frames);
    return ExitCode::kSuccess;
  }
  print("other frames: SHA-256 {}\n", frames);
  print("       it was: SHA-256 {}\n", metadata.frames_sha256);
  return ExitCode::kComparison;
}

ExitCode run_repeat(const RepeatOptions& options) {
  const VideoMetadata metadata = read_metadata(options.video);
  Differences differences;
  VideoResult made;
  made.request = request_of(metadata, options, differences);
  require_outputs(made.request, options.force ? Existing::kReplaced : Existing::kRefused);
  VideoMaker maker(options.quiet ? Progress::kSilent : Progress::kShown);
  try {
    require_places(made.request);
    expect_videos(maker, {&made.request}, options.yes ? Agreement::kGiven : Agreement::kAsk, options.quiet);
    maker.make(made);
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::kInterrupted) throw;
    log::warning(problem.what());
    return failure_of(problem).code;
  }
  compare_runs(metadata, made, differences);
  return conclude(metadata, made, differences);
}

}  // namespace

void add_repeat_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<RepeatOptions>();
  CLI::App* command =
      app.add_subcommand("repeat", "Make a video again from its mp4, and say whether the frames are the same");
  command->add_option("VIDEO", options->video, "an mp4 that wanbench made")->required()->type_name("FILE");
  add_request_options(*command, options->given, VideoFile::kYes, [](const Option& option) {
    return std::find(kTaken.begin(), kTaken.end(), option.key) != kTaken.end();
  });
  command->add_flag(kForce, options->force, "replace outputs that are there already");
  command->add_flag("--yes", options->yes, "go on without asking where a CPU will take more than 10 minutes");
  command->add_flag("--quiet", options->quiet, "show no progress");
  command->footer(
      "The weights are those of --checkpoint, else those that come with the program where the video was made with "
      "them. Nothing is written without --output or --frames. Exit code 3: the frames are others.");
  command->callback([options, &result] { result = run_repeat(*options); });
}

}  // namespace wan::cli
