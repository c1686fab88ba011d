// `wanbench tune`: which matrix-product kernel this card should use for each shape of a model. Runs never race kernels:
// they take what such a table says.
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "backend/backend.h"
#include "base/file.h"
#include "cli/commands.h"
#include "model/dit.h"
#include "pipeline/request_words.h"

namespace wan::cli {
namespace {

struct TuneOptions {
  std::string model = "ti2v-5B", device = "cuda:0", output;
  std::vector<int64_t> tokens;
  double seconds = 3;
};

/// The bulk products of one DiT block at this many tokens.
std::vector<ProductShape> block_products(const DitConfig& c, int64_t tokens) {
  const auto product = [&](int64_t n, int64_t k, Activation activation) {
    return ProductShape{tokens, n, k, DType::kBF16, DType::kBF16, activation};
  };
  return {product(3 * c.dim, c.dim, Activation::kNone), product(c.dim, c.dim, Activation::kNone),
          product(c.ffn_dim, c.dim, Activation::kGeluTanh), product(c.dim, c.ffn_dim, Activation::kNone)};
}

ExitCode run_tune(TuneOptions options) {
  const DitConfig config = published_dit_config(options.model);
  // The default sizes: 161 and 121 frames at 1280x704; 81 frames at 832x480 and 1280x720.
  if (options.tokens.empty())
    options.tokens =
        config.model_type == "ti2v" ? std::vector<int64_t>{36080, 27280} : std::vector<int64_t>{32760, 75600};
  std::vector<ProductShape> shapes;
  for (const int64_t tokens : options.tokens)
    for (const ProductShape& shape : block_products(config, tokens)) shapes.push_back(shape);
  BackendOptions backend;
  backend.device = options.device == "cuda" ? "cuda:0" : options.device;
  const std::string table = fmt::format("{}\n", fmt::join(tune_products(backend, shapes, options.seconds), "\n"));
  if (options.output.empty())
    fmt::print("{}", table);
  else
    write_atomically(options.output, table);
  return ExitCode::kSuccess;
}

}  // namespace

void add_tune_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<TuneOptions>();
  CLI::App* command =
      app.add_subcommand("tune", "Time the matrix-product kernels of this card and print the table of the best");
  command->add_option("--model", options->model, "whose shapes")
      ->check(CLI::IsMember(model_names()))
      ->capture_default_str();
  command->add_option("--tokens", options->tokens, "sequence lengths; default: the model's usual sizes")
      ->check(CLI::PositiveNumber);
  command->add_option("--seconds", options->seconds, "for each shape")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--device", options->device, "cuda or cuda:N")->capture_default_str();
  command->add_option("--output", options->output, "file for the table; default: standard output")->type_name("FILE");
  command->callback([options, &result] { result = run_tune(*options); });
}

}  // namespace wan::cli
