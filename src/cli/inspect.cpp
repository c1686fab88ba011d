// `wanbench inspect`: what a checkpoint is, read from headers alone.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/json_document.h"
#include "cli/model_card.h"
#include "model/checkpoint.h"
#include "pipeline/checkpoint_defaults.h"
#include "pipeline/guidance.h"

namespace wan::cli {
namespace {

/// One file of a checkpoint, or one set of shards.
struct Component {
  std::string title;  // "DiT high noise"
  std::string key;    // "dit.high_noise"
  int64_t parameters = 0;
  uint64_t tensors = 0, bytes = 0;
  std::map<std::string, int64_t> by_type;  // elements
};

struct Inspection {
  std::string folder;
  Checkpoint checkpoint;
  std::vector<Component> components;
  std::optional<ModelCard> card;
  ModelDefaults defaults;  // the checkpoint's own where it says so, else the published model's
  Guidance guidance;       // the same

  const Variant& variant() const { return *checkpoint.variant; }
};

Component component(std::string title, std::string key, const TensorFile& file) {
  Component out{std::move(title), std::move(key), 0, file.tensors().size(), file.total_bytes(), {}};
  for (const StoredTensor& tensor : file.tensors()) {
    out.by_type[std::string(name_of(tensor.dtype))] += tensor.shape.count();
    out.parameters += tensor.shape.count();
  }
  return out;
}

/// "DiT", or "DiT high noise"
std::string dit_title(const ExpertSpec& expert) {
  std::string title = expert.name.empty() ? "DiT" : fmt::format("DiT {}", expert.name);
  std::replace(title.begin(), title.end(), '_', ' ');
  return title;
}

void add_defaults(Inspection& out) {
  const Request own = read_checkpoint_defaults(out.folder);
  out.defaults = out.variant().defaults;
  if (own.width > 0) out.defaults.size = {own.width, own.height, out.defaults.size.num_frames};
  if (own.num_frames > 0) out.defaults.size.num_frames = own.num_frames;
  if (own.steps > 0) out.defaults.steps = own.steps;
  out.defaults.shift = own.shift.value_or(out.defaults.shift);
  out.guidance = choose_guidance(own, out.variant().experts);
}

Inspection look_at(const std::string& folder) {
  Inspection out{folder, open_checkpoint(folder), {}, read_model_card(folder), {}, {}};
  const Checkpoint& c = out.checkpoint;
  for (size_t i = 0; i < c.dits.size(); ++i) {
    const ExpertSpec& expert = out.variant().experts[i];
    out.components.push_back(
        component(dit_title(expert), expert.name.empty() ? "dit" : fmt::format("dit.{}", expert.name), c.dits[i]));
  }
  out.components.push_back(component("text encoder", "text_encoder", c.text_encoder));
  out.components.push_back(component(std::string(out.variant().vae_traits().name), "vae", c.vae_file));
  add_defaults(out);
  return out;
}

double percent_of(int64_t count, const Component& all) {
  return 100.0 * static_cast<double>(count) / static_cast<double>(std::max<int64_t>(all.parameters, 1));
}

void print_component(const Component& c) {
  std::string types;
  for (const auto& [type, count] : c.by_type)
    types += fmt::format("{}{} {:.1f} %", types.empty() ? "" : ", ", type, percent_of(count, c));
  print("{:<14} {:>14} {:>8} {:>9.3f}  {}\n", c.title, c.parameters, c.tensors,
        static_cast<double>(c.bytes) / (1024.0 * 1024.0 * 1024.0), types);
}

/// The licence, and the card itself where it is short enough to be read here.
void print_card(const Inspection& found) {
  constexpr size_t kShort = 6000;  // bytes; the cards of model hubs are longer, mostly pictures and instructions
  const auto& card = found.card;
  if (!card) {
    print("licence: not said, there is no README.md\n");
    return;
  }
  print("licence: {}\n", card->licence.empty() ? std::string("not said in README.md") : card->licence);
  if (card->text.size() <= kShort)
    print("\n{}\n", Lines{terminal_lines(card->text)});
  else
    print("model card: {}\n", (std::filesystem::path(found.folder) / "README.md").string());
}

void print_text(const Inspection& found) {
  const Checkpoint& c = found.checkpoint;
  const Variant& variant = found.variant();
  const ModelDefaults& defaults = found.defaults;
  print("{}\n{}: {}\n\n", found.folder, variant.abbreviation, variant.description);
  print("{:<14} {:>14} {:>8} {:>9}  {}\n", "component", "parameters", "tensors", "GiB", "stored as");
  for (const Component& each : found.components) print_component(each);
  print("\nDiT: {} layers, width {}, {} heads of {}, feed-forward {}, channels {} in, {} out\n", c.dit.num_layers,
        c.dit.dim, c.dit.num_heads, c.dit.head_dim(), c.dit.ffn_dim, c.dit.in_dim, c.dit.out_dim);
  print("text encoder: {} layers, width {}, {} heads, vocabulary {}\n", c.text.num_layers, c.text.dim, c.text.num_heads,
        c.text.vocabulary);
  print("defaults: {}x{}, {} frames at {} fps, {} steps, shift {}, guidance {} (low), {} (high)\n", defaults.size.width,
        defaults.size.height, defaults.size.num_frames, defaults.fps, defaults.steps, defaults.shift,
        found.guidance.low, found.guidance.high);
  print_card(found);
}

OrderedJson json_of(const Component& c) {
  OrderedJson types = OrderedJson::object();
  for (const auto& [type, count] : c.by_type) types[type] = percent_of(count, c);
  return {{"component", c.key},
          {"parameters", c.parameters},
          {"tensors", c.tensors},
          {"bytes", c.bytes},
          {"stored_percent", std::move(types)}};
}

OrderedJson json_of(const Inspection& found) {
  const Checkpoint& c = found.checkpoint;
  const Variant& variant = found.variant();
  const ModelDefaults& defaults = found.defaults;
  OrderedJson json = json_document("wanbench.inspect", 1, 0);
  json["folder"] = found.folder;
  json["model"] = model_name(variant, c.dit);
  json["task"] = variant.task;
  json["description"] = variant.description;
  json["components"] = OrderedJson::array();
  for (const Component& each : found.components) json["components"].push_back(json_of(each));
  json["dit"] = {{"layers", c.dit.num_layers},
                 {"width", c.dit.dim},
                 {"heads", c.dit.num_heads},
                 {"head_width", c.dit.head_dim()},
                 {"feed_forward_width", c.dit.ffn_dim},
                 {"channels_in", c.dit.in_dim},
                 {"channels_out", c.dit.out_dim}};
  json["text_encoder"] = {{"layers", c.text.num_layers},
                          {"width", c.text.dim},
                          {"heads", c.text.num_heads},
                          {"vocabulary", c.text.vocabulary}};
  json["defaults"] = {{"width", defaults.size.width},
                      {"height", defaults.size.height},
                      {"num_frames", defaults.size.num_frames},
                      {"fps", defaults.fps},
                      {"steps", defaults.steps},
                      {"shift", defaults.shift},
                      {"guidance_low", found.guidance.low},
                      {"guidance_high", found.guidance.high}};
  const bool licensed = found.card && !found.card->licence.empty();
  json["licence"] =
      licensed ? json_value(found.card->licence) : json_value(nullptr, found.card ? "not_said_in_readme" : "no_readme");
  json["model_card"] = found.card ? json_value(found.card->text) : json_value(nullptr, "no_readme");
  return json;
}

ExitCode run_inspect(const std::string& folder, Wording wording) {
  const Inspection found = look_at(folder);
  wording == Wording::kJson ? print_json(json_of(found)) : print_text(found);
  return ExitCode::kSuccess;
}

}  // namespace

void add_inspect_command(CLI::App& app, ExitCode& result) {
  auto folder = std::make_shared<std::string>();
  auto wording = std::make_shared<Wording>(Wording::kText);
  CLI::App* command = app.add_subcommand("inspect", "Say what a checkpoint is");
  command->add_option("DIR", *folder, "checkpoint folder")->required();
  add_json_flag(*command, *wording);
  command->callback([folder, wording, &result] { result = run_inspect(*folder, *wording); });
}

}  // namespace wan::cli
