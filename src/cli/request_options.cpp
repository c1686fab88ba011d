#include "cli/request_options.h"

#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "model/variant.h"
#include "suite/request_fields.h"

namespace wan::cli {
namespace {

template <typename T>
T number(std::string_view text, const char* flag) {
  T value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  require(parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size(),
          fmt::format("{}: '{}' is not a number", flag, text), ErrorKind::kUsage);
  return value;
}

/// The options' checks leave none but the words; understand() may still be called without them.
template <class E, size_t N>
E one_of(const std::array<std::pair<E, std::string_view>, N>& words, const std::string& text, const char* flag) {
  const auto value = suite::value_of(words, text);
  require(value.has_value(),
          fmt::format("{} '{}': expected one of {}", flag, text, fmt::join(suite::list_of(words), ", ")),
          ErrorKind::kUsage);
  return *value;
}

std::string frames_help() { return fmt::format("frames, {}n+1", variants().front().vae_traits().stride_temporal); }

}  // namespace

void parse_size(const std::string& text, int64_t& width, int64_t& height) {
  const size_t split = text.find_first_of("xX*");
  require(split != std::string::npos, fmt::format("--size '{}': expected WIDTHxHEIGHT, for example 1280x704", text),
          ErrorKind::kUsage);
  width = number<int64_t>(std::string_view(text).substr(0, split), "--size");
  height = number<int64_t>(std::string_view(text).substr(split + 1), "--size");
  require(width > 0 && height > 0, fmt::format("--size '{}': both sides must be positive", text), ErrorKind::kUsage);
}

void add_request_options(CLI::App& command, RequestOptions& o) {
  Request& r = o.request;
  command.add_option("--checkpoint", r.checkpoint, "folder of the weights, in the official layout")->type_name("DIR");
  command.add_option("--prompt", r.prompt, "what the video shows")->type_name("TEXT");
  command.add_option("--negative-prompt", r.negative_prompt, "what it must not show; default: the model's own")
      ->type_name("TEXT");
  command.add_option("--image", r.image, "first frame, PNG or JPEG: image-to-video")->type_name("FILE");
  command.add_option("--size", o.size, "width x height in pixels; with --image, the area")->type_name("WxH");
  command.add_option("--num-frames", r.num_frames, frames_help())->type_name("N")->check(CLI::PositiveNumber);
  command.add_option("--steps", r.steps, "denoising steps")->type_name("N")->check(CLI::Range(1, 1000));
  command.add_option("--shift", o.shift, "timestep shift")->type_name("F")->check(CLI::PositiveNumber);
  command
      .add_option("--guidance-scale", o.guidance,
                  "guidance of the low-noise expert (or the only model), then the high-noise one")
      ->type_name("LOW[,HIGH]");
  command.add_option("--boundary", o.boundary, "share of the timesteps from which on the high-noise expert runs")
      ->type_name("F")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--solver", o.solver, "sampler")
      ->check(CLI::IsMember(suite::list_of(suite::kSolverWords)))
      ->capture_default_str();
  command.add_option("--seed", r.seed, "of the starting noise")->type_name("N")->capture_default_str();
  command.add_option("--device", r.device, "cpu, cuda or cuda:N; default: cuda:0 if usable, else cpu")
      ->type_name("DEVICE");
  command.add_option("--precision", o.precision, "default: bf16 on cuda, fp32 on cpu")
      ->check(CLI::IsMember(suite::list_of(suite::kPrecisionWords)));
  command.add_option("--vae-precision", o.vae_precision, "default: as --precision")
      ->check(CLI::IsMember(suite::list_of(suite::kPrecisionWords)));
  command.add_option("--text-encoder-device", r.text_encoder_device, "cpu, or as --device")->type_name("DEVICE");
  command
      .add_option("--offload", o.offload,
                  "where DiT weights live: none (on the device), stream (page-locked host memory, or the mapped file "
                  "where it does not suffice), mapped (the file), auto (the fastest that fits)")
      ->check(CLI::IsMember(suite::list_of(suite::kOffloadWords)))
      ->capture_default_str();
  command.add_option("--vae-chunk", r.vae_chunk, "latent frames decoded at a time; default: chosen by the memory plan")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--vae-slice", r.vae_slice,
                  "frames the decoder's last level takes at a time; default: chosen by the memory plan")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--tuning-table", r.tuning_table,
                  "kernel choices made by `wanbench tune`; default: those that come with the program")
      ->type_name("FILE");
  command.add_flag("--no-overlap", o.no_overlap, "load everything before computing, to see what loading costs");
  command.add_option("--weights", o.weights, "checkpoint, or random: seeded values at the published sizes")
      ->check(CLI::IsMember({"checkpoint", "random"}))
      ->capture_default_str();
  command.add_option("--model", r.model, "with --weights random: which model")->check(CLI::IsMember(model_names()));
  command.add_option("--initial-latent", r.initial_latent, "starting noise: safetensors with the key noise [C,T,H,W]")
      ->type_name("FILE");
  command.add_option("--dump", r.dump, "write intermediates as safetensors")->type_name("FILE");
  command.add_option("--dump-level", o.dump_level, "stages, or blocks: also the first step's DiT calls")
      ->check(CLI::IsMember(suite::list_of(suite::kDumpLevelWords)))
      ->capture_default_str();
}

Request understand(const RequestOptions& o) {
  Request r = o.request;
  if (!o.size.empty()) parse_size(o.size, r.width, r.height);
  if (o.shift > 0) r.shift = o.shift;
  if (o.boundary >= 0) r.boundary = o.boundary;
  if (!o.guidance.empty()) {
    const size_t comma = o.guidance.find(',');
    r.guidance_low = number<double>(std::string_view(o.guidance).substr(0, comma), "--guidance-scale");
    if (comma != std::string::npos)
      r.guidance_high = number<double>(std::string_view(o.guidance).substr(comma + 1), "--guidance-scale");
  }
  r.solver = one_of(suite::kSolverWords, o.solver, "--solver");
  if (!o.precision.empty()) r.precision = one_of(suite::kPrecisionWords, o.precision, "--precision");
  if (!o.vae_precision.empty()) r.vae_precision = one_of(suite::kPrecisionWords, o.vae_precision, "--vae-precision");
  r.offload = one_of(suite::kOffloadWords, o.offload, "--offload");
  r.overlap = o.no_overlap ? Overlap::kOff : Overlap::kOn;
  r.random_weights = o.weights == "random";
  r.dump_level = one_of(suite::kDumpLevelWords, o.dump_level, "--dump-level");
  if (r.device == "cuda") r.device = "cuda:0";
  return r;
}

}  // namespace wan::cli
