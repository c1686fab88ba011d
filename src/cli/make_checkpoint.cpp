// `wanbench make-checkpoint`: random weights in a published size and the official layout, to time loading without a
// download. They are the weights of `generate --weights random`.
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
  std::string dit_dtype{enum_name(Precision::kF32)};
  uint64_t seed = kRandomWeightsSeed;
  std::optional<int64_t> layers;  // absent: all
};

std::string models_and_sizes() {
  std::vector<std::string> all;
  for (const Variant& variant : variants()) all.push_back(fmt::format("{} ({} GB)", variant.name, variant.gigabytes));
  return fmt::format("{}", fmt::join(all, ", "));
}

ExitCode run_make_checkpoint(const MakeOptions& options) {
  CheckpointSizes sizes = published_checkpoint_sizes(variant_named(options.model));
  if (options.layers) {
    sizes.dit.num_layers = std::min(sizes.dit.num_layers, *options.layers);
    sizes.text.num_layers = std::min(sizes.text.num_layers, *options.layers);
  }
  const DType dtype = options.dit_dtype == enum_name(Precision::kBF16) ? DType::kBF16 : DType::kF32;
  return write_with_progress(options.output, [&](const WriteOptions& write) {
    make_checkpoint(sizes, options.seed, dtype, general_tokenizer(), options.output, write);
  });
}

}  // namespace

void add_make_checkpoint_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<MakeOptions>();
  CLI::App* command =
      app.add_subcommand("make-checkpoint", "Write a checkpoint of random weights in the official layout");
  command->add_option("--model", options->model, models_and_sizes())->required();
  command->add_option("--output", options->output, "folder to write, new or empty")->type_name("DIR")->required();
  add_number(*command, "--seed", options->seed, Bounds<uint64_t>{},
             "of the values; the default's are those of --weights random");
  command->add_option("--dit-dtype", options->dit_dtype, "how the DiT is stored")
      ->check(CLI::IsMember(enum_words<Precision>()))
      ->capture_default_str();
  add_number(*command, "--layers", options->layers, Bounds<int64_t>{1, 1000},
             "keep only the first N layers of the DiT and of the text encoder")
      ->type_name("N");
  command->callback([options, &result] { result = run_make_checkpoint(*options); });
}

}  // namespace wan::cli
