// `wanbench serve`: a server of videos, with the API of the open servers and a page.
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/flags.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/numbers.h"
#include "cli/replicas.h"
#include "cli/request_options.h"
#include "io/video_writer.h"
#include "model/variant.h"
#include "pipeline/plan.h"
#include "serve/server.h"

namespace wan::cli {
namespace {

constexpr int64_t kCachedPrompts = 32;
constexpr double kSecondsPerDay = 86400;

struct ServeOptions {
  Request request;
  std::vector<std::string> devices;
  std::optional<int64_t> replicas;
  std::string served_name;
  serve::ServerOptions server;
  int port = 8080;
  double keep_days = 30, request_s = 10;
  std::optional<double> price_per_hour;
  std::string currency = "USD";
  std::string keep_size, least_free = "1GiB";
  int64_t most_mib_of_image = 32;
};

/// What of a request the command line decides for all videos. How one is sampled may be its own; files are none of a
/// client's business.
bool is_of_the_server(const Option& option) {
  static const std::vector<std::string_view> kClients = {"prompt",         "image",      "last_image", "seed",
                                                         "initial_latent", "output",     "frames",     "no_metadata",
                                                         "dump",           "dump_level", "replay",     "device"};
  return std::find(kClients.begin(), kClients.end(), option.key) == kClients.end();
}

int64_t milliseconds_since_1970() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Of a request whose pictures nobody has looked at: they are the worker's to decode.
Decisions decide_without_pictures(Request request, const ModelSet& models) {
  request.image.clear();
  request.last_image.clear();
  return decisions_of(make_plan(request, models, Images::kAssumed));
}

serve::TakesImage takes_image(const Variant& variant) {
  switch (variant.image.presence) {
    case Presence::kNever: return serve::TakesImage::kNever;
    case Presence::kOptional: return serve::TakesImage::kMay;
    case Presence::kRequired: return serve::TakesImage::kMust;
  }
  return serve::TakesImage::kNever;
}

/// The last folder's or file's name, as clients may write it in a path.
std::string plain_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
    name += is_plain ? c : '-';
  }
  return name;
}

serve::ServedModel served_model(const Request& base, const ModelSet& models, const ServeOptions& options) {
  const Decisions decisions = decide_without_pictures(base, models);
  const Variant* variant = find_task(decisions.task);
  require(variant != nullptr, fmt::format("the model's task '{}' is not known", decisions.task), ErrorKind::kRuntime);
  require(
      !variant->makes_clips(),
      fmt::format("{}: the server takes neither sound nor driving video yet: make its videos with `wanbench generate`",
                  variant->name),
      ErrorKind::kUsage);
  serve::ServedModel model;
  model.name = options.served_name.empty() ? plain_name(decisions.model) : options.served_name;
  model.family = decisions.model;
  model.task = decisions.task;
  model.base = base;
  model.width = decisions.width;
  model.height = decisions.height;
  model.num_frames = decisions.num_frames;
  model.fps = decisions.fps;
  model.frame_stride = variant->vae_traits().stride_temporal;
  model.steps = decisions.steps;
  model.recipe = decisions.recipe;
  model.image = takes_image(*variant);
  model.takes_last_image = variant->takes_last_image();
  return model;
}

Request base_request(Request request) {
  if (!request.names_weights() && !request.random_weights) {
    request.checkpoint = default_checkpoint();
    log::info(fmt::format("no {}: the small model that comes with the program is served", flags::kCheckpoint));
  }
  request.weights();  // LoRAs are judged before any work
  return understand(std::move(request));
}

/// Paths of the command line as they are from any folder.
void make_absolute(Request& request) {
  request_options([](const Option&, auto& member, const auto&) { place_in(std::filesystem::current_path(), member); },
                  request);
}

void fill_retention(const ServeOptions& options, serve::ServiceOptions& service) {
  if (options.keep_days > 0) service.retention.age_ms = static_cast<int64_t>(options.keep_days * kSecondsPerDay * 1000);
  if (!options.keep_size.empty()) service.retention.bytes = memory_size_of(options.keep_size, "--keep-size").bytes;
  service.least_free_bytes = memory_size_of(options.least_free, "--least-free").bytes;
}

void run_serve(ServeOptions& options) {
  serve::require_server();
  serve::require_safe(options.server);
  require(can_write_video(), "this build writes no mp4 (it was configured with WAN_VIDEO=OFF): serve needs that",
          ErrorKind::kUsage);
  serve::ServiceOptions& service = options.server.service;
  Request base = base_request(options.request);
  make_absolute(base);
  service.devices = options.replicas          ? replica_devices(*options.replicas, options.devices)
                    : options.devices.empty() ? std::vector<std::string>{""}
                                              : options.devices;
  base.device = service.devices.front();
  const ModelSet models = open_models(base);  // once: no client names weights of its own
  service.model = served_model(base, models, options);
  service.model.device = base.device.empty() ? "cuda:0, else cpu" : fmt::format("{}", fmt::join(service.devices, ", "));
  service.program = {{std::filesystem::read_symlink("/proc/self/exe").string(), "serve-worker", "--cached-prompts",
                      std::to_string(kCachedPrompts)}};
  service.limits.image_bytes = static_cast<uint64_t>(options.most_mib_of_image) << 20;
  service.now_ms = milliseconds_since_1970;
  service.decide = [&models](const Request& request) { return decide_without_pictures(request, models); };
  fill_retention(options, service);
  if (options.price_per_hour) service.price = serve::HourPrice{*options.price_per_hour, options.currency};
  options.server.port = static_cast<uint16_t>(options.port);
  options.server.http.header_time = options.server.http.body_time =
      std::chrono::milliseconds(static_cast<int64_t>(options.request_s * 1000));
  std::error_code failure;
  std::filesystem::create_directories(service.folder, failure);
  require(!failure, fmt::format("--output {}: cannot be made: {}", service.folder.string(), failure.message()),
          ErrorKind::kUsage);
  service.folder = std::filesystem::absolute(service.folder);
  serve::run_server(options.server, [&](const std::string& url) {
    print("{} is served at {}\n", service.model.name, url);
    finish_output();
  });
}

void add_bounds(CLI::App& command, ServeOptions& options) {
  serve::ServiceOptions& service = options.server.service;
  add_number(command, "--queue", service.most_queued, Bounds<int64_t>{1, 1'000'000}, "videos that may wait");
  add_number(command, "--keep-days", options.keep_days, Bounds<double>{0, 36500},
             "how long a video is kept once it is over; 0: until it is deleted");
  command
      .add_option("--keep-size", options.keep_size,
                  "what all videos may take together: 100GiB; the oldest go first; default: not bounded")
      ->type_name("SIZE");
  command.add_option("--least-free", options.least_free, "with less than that free on the disk no video is taken in")
      ->type_name("SIZE")
      ->default_str(options.least_free);
  add_number(command, "--price-per-hour", options.price_per_hour, Bounds<double>{0, 1e6},
             "what a worker costs: each video then has its price");
  command.add_option("--currency", options.currency, "of --price-per-hour")->default_str(options.currency);
  add_number(command, "--most-side", service.limits.side_pixels, Bounds<int64_t>{16, 16384},
             "pixels of a video's side that may be asked for");
  add_number(command, "--most-frames", service.limits.frames, Bounds<int64_t>{1, 100'000}, "frames, likewise");
  add_number(command, "--most-steps", service.limits.steps, Bounds<int>{1, 1000}, "steps, likewise");
  add_number(command, "--most-image", options.most_mib_of_image, Bounds<int64_t>{1, 256}, "MiB of a picture");
  add_number(command, "--request-seconds", options.request_s, Bounds<double>{0.1, 3600},
             "how long a client may take for a request's head; for its body a second more for each 64 KiB");
  add_number(command, "--drain-seconds", options.server.drain_s, Bounds<double>{0, 1e6},
             "how long a signal lets the videos go on that are being made");
}

}  // namespace

void add_serve_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<ServeOptions>();
  options->server.service.folder = "wanbench-serve";
  CLI::App* command = app.add_subcommand("serve", "Serve videos over HTTP: POST /v1/videos, and a page");
  command->add_option("--output", options->server.service.folder, "folder of the jobs and their videos")
      ->type_name("DIR")
      ->default_str("wanbench-serve");
  command->add_option("--address", options->server.address, "to listen on; another than this machine's own needs keys")
      ->default_str(options->server.address);
  add_number(*command, "--port", options->port, Bounds<int>{0, 65535}, "0: one that is free");
  command
      ->add_option("--api-keys", options->server.api_keys,
                   "file with an API key a line, each of at least 16 characters; nobody else may read it")
      ->type_name("FILE");
  command->add_option("--host-name", options->server.own_names, "name that clients use for this server, without keys")
      ->type_name("NAME");
  command->add_option("--served-name", options->served_name, "what clients call the model; default: its own name");
  command
      ->add_option_function<std::vector<std::string>>(
          flags::kDevice, [options](const std::vector<std::string>& devices) { options->devices = devices; },
          "cpu, cuda or cuda:N, with a worker each; default: cuda:0 if usable, else cpu")
      ->type_name("DEVICE")
      ->allow_extra_args(false);
  add_number(*command, "--replicas", options->replicas, Bounds<int64_t>{1, 64},
             "so many workers: a card each, cuda:0, cuda:1, ..., or without cards all on the processor")
      ->type_name("N");
  add_bounds(*command, *options);
  add_request_options(*command, options->request, VideoFile::kNo, is_of_the_server);
  command->footer(
      "curl http://127.0.0.1:8080/v1/videos -H 'Content-Type: application/json' -d '{\"prompt\": \"...\"}' orders a "
      "video; the page at / does the same. Jobs survive the end of the server.");
  command->callback([options, &result] {
    run_serve(*options);
    result = ExitCode::kSuccess;
  });
}

}  // namespace wan::cli
