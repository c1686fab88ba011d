// `wanbench tune`: which matrix-product kernel this card should use for each shape of a model. Runs never race kernels:
// they take what such a table says.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "backend/backend.h"
#include "base/file.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "model/variant.h"

namespace wan::cli {
namespace {

struct TuneOptions {
  std::string model{variants().front().name}, device = "cuda:0", output;
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
  if (!options.output.empty()) {
    require_output(options.output, Devices::kWriteThrough);
    require_writable(std::filesystem::path(options.output).parent_path(), 0);
  }
  const Variant& variant = variant_named(options.model);
  if (options.tokens.empty())
    for (const VideoSize& size : variant.usual_sizes) options.tokens.push_back(variant.grid(size).tokens());
  std::vector<ProductShape> shapes;
  for (const int64_t tokens : options.tokens)
    for (const ProductShape& shape : block_products(variant.dit, tokens)) shapes.push_back(shape);
  BackendOptions backend;
  backend.device = options.device == "cuda" ? "cuda:0" : options.device;
  const std::string table = fmt::format("{}\n", fmt::join(tune_products(backend, shapes, options.seconds), "\n"));
  if (options.output.empty())
    print_raw(table);
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
  add_numbers(*command, "--tokens", options->tokens, Bounds<int64_t>{1, 10'000'000},
              "sequence lengths; default: the model's usual sizes");
  add_number(*command, "--seconds", options->seconds, Bounds<double>{0.001, 3600}, "for each shape");
  command->add_option("--device", options->device, "cuda or cuda:N")->capture_default_str();
  command->add_option("--output", options->output, "file for the table; default: standard output")->type_name("FILE");
  command->callback([options, &result] { result = run_tune(*options); });
}

}  // namespace wan::cli
