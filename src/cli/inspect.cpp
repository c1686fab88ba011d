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
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/subprocess.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/json_document.h"
#include "cli/model_card.h"
#include "cli/part_options.h"
#include "model/checkpoint.h"
#include "pipeline/checkpoint_defaults.h"
#include "pipeline/guidance.h"

namespace wan::cli {
namespace {

/// One part of a model, in a file or a set of shards.
struct Component {
  std::string title;  // "DiT high noise"
  std::string key;    // "dit.high_noise"
  std::string file;
  std::string evidence;  // what it is and by what that is known
  int64_t parameters = 0;
  uint64_t tensors = 0, bytes = 0;
  std::map<std::string, int64_t> by_type;    // elements
  std::map<std::string, int64_t> by_scheme;  // weights
};

struct Inspection {
  WeightChoice choice;
  Checkpoint checkpoint;
  std::vector<Component> components;
  std::optional<ModelCard> card;
  ModelDefaults defaults;  // the checkpoint's own where it says so, else the published model's
  Guidance guidance;       // the same

  const Variant& variant() const { return *checkpoint.variant; }
};

Component component(std::string title, std::string key, const WeightFile& file, std::string_view found_by) {
  std::vector<std::string> evidence = file.facts().evidence;
  if (!found_by.empty()) evidence.emplace_back(found_by);
  Component out{std::move(title),
                std::move(key),
                file.file().path().string(),
                fmt::format("{}", fmt::join(evidence, "; ")),
                0,
                file.weights().size(),
                0,
                {},
                file.facts().schemes};
  for (const StoredWeight& weight : file.weights()) {
    out.by_type[std::string(weight.values->type_name())] += weight.shape.count();
    out.parameters += weight.shape.count();
    for (const StoredTensor* stored : {weight.values, weight.scale, weight.whole_scale})
      out.bytes += stored == nullptr ? 0 : stored->bytes();
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
  const Request own = read_checkpoint_defaults(out.checkpoint.files.folder);
  out.defaults = out.variant().defaults;
  if (own.width > 0) out.defaults.size = {own.width, own.height, out.defaults.size.num_frames};
  if (own.num_frames > 0) out.defaults.size.num_frames = own.num_frames;
  if (own.steps > 0) out.defaults.steps = own.steps;
  out.defaults.shift = own.shift.value_or(out.defaults.shift);
  out.guidance = choose_guidance(own, out.variant().experts);
}

Inspection look_at(const WeightChoice& choice) {
  Inspection out{choice, open_checkpoint(choice), {}, {}, {}, {}};
  const Checkpoint& c = out.checkpoint;
  out.card = read_model_card(c.files.folder);
  for (size_t i = 0; i < c.dits.size(); ++i) {
    const ExpertSpec& expert = out.variant().experts[i];
    out.components.push_back(component(dit_title(expert),
                                       expert.name.empty() ? "dit" : fmt::format("dit.{}", expert.name), c.dits[i],
                                       "taken for that by " + c.files.evidence[i]));
  }
  out.components.push_back(component("text encoder", "text_encoder", c.text_encoder, {}));
  out.components.push_back(component(std::string(out.variant().vae_traits().name), "vae", c.vae_file, {}));
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

/// Where a part lies, what it is by which evidence, and its schemes where they are not plain.
void print_evidence(const Component& c) {
  std::string schemes;
  for (const auto& [scheme, count] : c.by_scheme)
    schemes += fmt::format("{}{} of {} weights", schemes.empty() ? "" : ", ", scheme, count);
  print("{}", wrapped(fmt::format("{}: {}: {}; {}", c.title, terminal_text(c.file), terminal_text(c.evidence), schemes),
                      0, 2));
}

std::string tokenizer_of(const Checkpoint& c) {
  if (!c.files.tokenizer.empty()) return c.files.tokenizer.string();
  return c.text_encoder.facts().spiece_model != nullptr ? "within the text encoder's file (spiece_model)"
                                                        : "within the text encoder's file (tokenizer.ggml.*)";
}

/// What to type to make a video of it.
std::string generate_line(const Inspection& found) {
  std::string line = "wanbench generate";
  const WeightChoice& w = found.choice;
  const std::pair<const char*, const std::filesystem::path*> flags[] = {
      {"--checkpoint", &w.checkpoint},     {"--dit", &w.dit}, {"--dit-high", &w.dit_high},  {"--dit-low", &w.dit_low},
      {"--text-encoder", &w.text_encoder}, {"--vae", &w.vae}, {"--tokenizer", &w.tokenizer}};
  for (const auto& [flag, path] : flags)
    if (!path->empty()) line += fmt::format(" {} {}", flag, shell_quoted(path->string()));
  if (found.variant().image.presence == Presence::kRequired) line += " --image FILE";
  return line + " --prompt TEXT";
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
    print("model card: {}\n", (found.checkpoint.files.folder / "README.md").string());
}

void print_text(const Inspection& found) {
  const Checkpoint& c = found.checkpoint;
  const Variant& variant = found.variant();
  const ModelDefaults& defaults = found.defaults;
  print("{}\n{}: {}\nlayout: {}\n\n", found.choice.title().string(), variant.abbreviation, variant.description,
        c.files.layout);
  print("{:<14} {:>14} {:>8} {:>9}  {}\n", "component", "parameters", "tensors", "GiB", "stored as");
  for (const Component& each : found.components) print_component(each);
  print("\n");
  for (const Component& each : found.components) print_evidence(each);
  print("tokenizer: {}\n", tokenizer_of(c));
  print("heads: by {}\n", c.heads_evidence);
  print("\nDiT: {} layers, width {}, {} heads of {}, feed-forward {}, channels {} in, {} out\n", c.dit.num_layers,
        c.dit.dim, c.dit.num_heads, c.dit.head_dim(), c.dit.ffn_dim, c.dit.in_dim, c.dit.out_dim);
  print("text encoder: {} layers, width {}, {} heads, vocabulary {}\n", c.text.num_layers, c.text.dim, c.text.num_heads,
        c.text.vocabulary);
  print("defaults: {}x{}, {} frames at {} fps, {} steps, shift {}, guidance {} (low), {} (high)\n", defaults.size.width,
        defaults.size.height, defaults.size.num_frames, defaults.fps, defaults.steps, defaults.shift,
        found.guidance.low, found.guidance.high);
  print("to make a video: {}\n", generate_line(found));
  print_card(found);
}

OrderedJson json_of(const Component& c) {
  OrderedJson types = OrderedJson::object();
  for (const auto& [type, count] : c.by_type) types[type] = percent_of(count, c);
  return {{"component", c.key},
          {"parameters", c.parameters},
          {"tensors", c.tensors},
          {"bytes", c.bytes},
          {"stored_percent", std::move(types)},
          {"file", c.file},
          {"evidence", c.evidence},
          {"schemes", c.by_scheme}};
}

OrderedJson json_of(const Inspection& found) {
  const Checkpoint& c = found.checkpoint;
  const Variant& variant = found.variant();
  const ModelDefaults& defaults = found.defaults;
  OrderedJson json = json_document("wanbench.inspect", 1, 1);
  json["folder"] = c.files.folder.string();
  json["layout"] = c.files.layout;
  json["tokenizer"] = tokenizer_of(c);
  json["heads_by"] = c.heads_evidence;
  json["generate"] = generate_line(found);
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

ExitCode run_inspect(const WeightChoice& choice, Wording wording) {
  require(!choice.empty(), "inspect: name a checkpoint, a file, or parts with --dit and others", ErrorKind::kUsage);
  const Inspection found = look_at(choice);
  wording == Wording::kJson ? print_json(json_of(found)) : print_text(found);
  return ExitCode::kSuccess;
}

}  // namespace

void add_inspect_command(CLI::App& app, ExitCode& result) {
  auto choice = std::make_shared<WeightChoice>();
  auto wording = std::make_shared<Wording>(Wording::kText);
  CLI::App* command = app.add_subcommand("inspect", "Say what a checkpoint is");
  command->add_option("PATH", choice->checkpoint, "checkpoint folder in any layout, or a file");
  add_part_options(*command, *choice);
  add_json_flag(*command, *wording);
  command->callback([choice, wording, &result] { result = run_inspect(*choice, *wording); });
}

}  // namespace wan::cli
