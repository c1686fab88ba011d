// `wanbench make-checkpoint`: random weights in a published size, in any form that people download, to time loading and
// running that form without a download. They are the weights of `generate --weights random`.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "cli/checkpoint_progress.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/numbers.h"
#include "pipeline/request_words.h"

namespace wan::cli {
namespace {

struct MakeOptions {
  std::string model, output;
  std::string format{enum_name(CheckpointFormat::kOfficial)};
  std::string dit_dtype{enum_name(Precision::kF32)};
  bool has_dit_dtype = false;
  uint64_t seed = kRandomWeightsSeed;
  std::optional<int64_t> layers;  // absent: all
};

std::string models_and_sizes() {
  std::vector<std::string> all;
  for (const Variant& variant : variants()) all.push_back(fmt::format("{} ({} GB)", variant.name, variant.gigabytes));
  return fmt::format("{}, as official", fmt::join(all, ", "));
}

ExitCode run_make_checkpoint(const MakeOptions& options) {
  CheckpointSizes sizes = published_checkpoint_sizes(variant_named(options.model));
  if (options.layers) sizes.keep_layers(*options.layers);
  const CheckpointForm form{enum_value<CheckpointFormat>(options.format).value(),
                            options.dit_dtype == enum_name(Precision::kBF16) ? DType::kBF16 : DType::kF32};
  require(!options.has_dit_dtype || has_dit_dtype(form.format),
          fmt::format("--dit-dtype {}: the format {} has types of its own: leave the flag out, or take {} or {}",
                      options.dit_dtype, options.format, enum_name(CheckpointFormat::kOfficial),
                      enum_name(CheckpointFormat::kDiffusers)),
          ErrorKind::kUsage);
  return write_with_progress(options.output, [&](const WriteOptions& write) {
    make_checkpoint(sizes, options.seed, form, general_tokenizer(), options.output, write);
  });
}

}  // namespace

void add_make_checkpoint_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<MakeOptions>();
  CLI::App* command =
      app.add_subcommand("make-checkpoint", "Write a checkpoint of random weights in a form that people download");
  command->add_option("--model", options->model, models_and_sizes())->required();
  command->add_option("--output", options->output, "folder to write, new or empty")->type_name("DIR")->required();
  add_number(*command, "--seed", options->seed, Bounds<uint64_t>{},
             "of the values; the default's are those of --weights random");
  command
      ->add_option("--format", options->format,
                   "the published folder, one of diffusers, or files for ComfyUI's models: BF16, scaled FP8, or GGUF")
      ->check(CLI::IsMember(enum_words<CheckpointFormat>()))
      ->capture_default_str();
  const CLI::Option* dit_dtype =
      command->add_option("--dit-dtype", options->dit_dtype, "how the DiT is stored, of official and diffusers")
          ->check(CLI::IsMember(enum_words<Precision>()))
          ->capture_default_str();
  add_number(*command, "--layers", options->layers, Bounds<int64_t>{1, 1000},
             "keep only the first N layers of the DiT and of the text encoder")
      ->type_name("N");
  command->callback([options, dit_dtype, &result] {
    options->has_dit_dtype = dit_dtype->count() > 0;
    result = run_make_checkpoint(*options);
  });
}

}  // namespace wan::cli
