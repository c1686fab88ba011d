// `wanbench inspect`: what a checkpoint is, read from headers alone.
#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/model_card.h"
#include "model/checkpoint.h"

namespace wan::cli {
namespace {

void print_file(const std::string& component, const TensorFile& file) {
  std::map<std::string, int64_t> by_dtype;
  int64_t parameters = 0;
  for (const StoredTensor& tensor : file.tensors()) {
    by_dtype[std::string(name_of(tensor.dtype))] += tensor.shape.count();
    parameters += tensor.shape.count();
  }
  std::string dtypes;
  for (const auto& [dtype, count] : by_dtype)
    dtypes += fmt::format("{}{} {:.1f} %", dtypes.empty() ? "" : ", ", dtype,
                          100.0 * static_cast<double>(count) / static_cast<double>(parameters));
  print("{:<14} {:>14} {:>8} {:>9.3f}  {}\n", component, parameters, file.tensors().size(),
        static_cast<double>(file.total_bytes()) / (1024.0 * 1024.0 * 1024.0), dtypes);
}

/// The licence, and the card itself where it is short enough to be read here.
void print_card(const std::filesystem::path& folder) {
  constexpr size_t kShort = 6000;  // bytes; the cards of model hubs are longer, mostly pictures and instructions
  const auto card = read_model_card(folder);
  if (!card) {
    print("licence: not said, there is no README.md\n");
    return;
  }
  print("licence: {}\n", card->licence.empty() ? std::string("not said in README.md") : card->licence);
  if (card->text.size() <= kShort)
    print("\n{}\n", Lines{terminal_lines(card->text)});
  else
    print("model card: {}\n", (folder / "README.md").string());
}

/// "DiT", or "DiT high noise"
std::string dit_title(const ExpertSpec& expert) {
  std::string title = expert.name.empty() ? "DiT" : fmt::format("DiT {}", expert.name);
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

ExitCode run_inspect(const std::string& folder) {
  const Checkpoint c = open_checkpoint(folder);
  const Variant& variant = *c.variant;
  const ModelDefaults& defaults = variant.defaults;
  print("{}\n{}: {}\n\n", folder, variant.abbreviation, variant.description);
  print("{:<14} {:>14} {:>8} {:>9}  {}\n", "component", "parameters", "tensors", "GiB", "stored as");
  for (size_t i = 0; i < c.dits.size(); ++i) print_file(dit_title(variant.experts[i]), c.dits[i]);
  print_file("text encoder", c.text_encoder);
  print_file(std::string(variant.vae_traits().name), c.vae_file);
  print("\nDiT: {} layers, width {}, {} heads of {}, feed-forward {}, channels {} in, {} out\n", c.dit.num_layers,
        c.dit.dim, c.dit.num_heads, c.dit.head_dim(), c.dit.ffn_dim, c.dit.in_dim, c.dit.out_dim);
  print("text encoder: {} layers, width {}, {} heads, vocabulary {}\n", c.text.num_layers, c.text.dim, c.text.num_heads,
        c.text.vocabulary);
  print("defaults: {}x{}, {} frames at {} fps, {} steps, shift {}, guidance {} (low), {} (high)\n", defaults.size.width,
        defaults.size.height, defaults.size.num_frames, defaults.fps, defaults.steps, defaults.shift,
        variant.experts.back().guidance, variant.experts.front().guidance);
  print_card(folder);
  return ExitCode::kSuccess;
}

}  // namespace

void add_inspect_command(CLI::App& app, ExitCode& result) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("inspect", "Say what a checkpoint is");
  command->add_option("DIR", *folder, "checkpoint folder")->required();
  command->callback([folder, &result] { result = run_inspect(*folder); });
}

}  // namespace wan::cli
