// `wanbench diff`: relative error of every tensor two files share, naming the first that is over the limit.
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "io/tensor_diff.h"

namespace wan::cli {
namespace {

struct DiffArguments {
  std::string a, b;
  DiffOptions options;
  double limit = 1e-4;
  bool require_all = false;
};

std::string verdict_of(const TensorDifference& d, double limit) {
  if (d.shape_differs) return fmt::format("shapes differ: {}", d.shapes);
  if (d.not_finite) return "holds NaN or infinity";
  return d.relative <= limit ? "" : "over";
}

ExitCode run_diff(const DiffArguments& arguments) {
  const TensorFile a = TensorFile::open(arguments.a), b = TensorFile::open(arguments.b);
  const DiffResult result = diff_tensors(a, b, arguments.options);
  for (const TensorDifference& d : result.common)
    print("{:<40} {:>12.3e} {:>12.3e}  {}\n", d.name, d.relative, d.largest, verdict_of(d, arguments.limit));
  for (const std::string& name : result.only_a) print("only in {}: {}\n", arguments.a, name);
  for (const std::string& name : result.only_b) print("only in {}: {}\n", arguments.b, name);
  if (result.common.empty()) {
    print("nothing in common\n");
    return ExitCode::kComparison;
  }
  if (const TensorDifference* first = result.first_over(arguments.limit)) {
    print("first over {:g}: {}\n", arguments.limit, first->name);
    return ExitCode::kComparison;
  }
  if (arguments.require_all && !result.only_b.empty()) {
    print("{} of the tensors required are missing\n", result.only_b.size());
    return ExitCode::kComparison;
  }
  print("{} tensors within {:g}\n", result.common.size(), arguments.limit);
  return ExitCode::kSuccess;
}

}  // namespace

void add_diff_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<DiffArguments>();
  CLI::App* command = app.add_subcommand("diff", "Compare the tensors of two files");
  command->add_option("A", arguments->a, "safetensors or .pth")->required();
  command->add_option("B", arguments->b, "the reference")->required();
  command->add_option("--prefix-a", arguments->options.prefix_a,
                      "only tensors of A whose names start with this, compared without it");
  command->add_option("--prefix-b", arguments->options.prefix_b, "the same for B");
  add_number(*command, "--max-relative", arguments->limit, Bounds<double>{0, 1e9}, "largest |a-b|/|b| that passes");
  command->add_flag("--require-all", arguments->require_all, "fail when a tensor of B is not in A");
  command->callback([arguments, &result] { result = run_diff(*arguments); });
}

}  // namespace wan::cli
