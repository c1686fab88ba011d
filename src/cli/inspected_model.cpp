#include "cli/inspected_model.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/file_kind.h"
#include "model/checkpoint.h"
#include "model/dit_identity.h"
#include "model/official_layout.h"
#include "pipeline/checkpoint_defaults.h"
#include "pipeline/recipe.h"

namespace wan::cli {
namespace {

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

Component dit_component(const ExpertSpec& expert, const WeightFile& file, std::string_view evidence) {
  return component(dit_title(expert), expert.name.empty() ? "dit" : fmt::format("dit.{}", expert.name), file,
                   fmt::format("taken for that by {}", evidence));
}

Component text_component(const WeightFile& file) { return component("text encoder", "text_encoder", file, {}); }

Component vae_component(const VaeTraits& traits, const WeightFile& file) {
  return component(std::string(traits.name), "vae", file, {});
}

std::string tokenizer_of(const std::filesystem::path& place, const WeightFile& text_encoder) {
  if (!place.empty()) return place.string();
  return text_encoder.facts().spiece_model != nullptr ? "within the text encoder's file (spiece_model)"
                                                      : "within the text encoder's file (tokenizer.ggml.*)";
}

/// All parts are there: as a request for a video opens them.
void look_at_whole(InspectedModel& out) {
  Request request;
  request.set_weights(out.choice);
  out.models = open_models(request);
  const Checkpoint& c = *out.models.checkpoint;
  out.layout = c.files.layout;
  out.folder = c.files.folder;
  out.heads_evidence = c.heads_evidence;
  out.tokenizer = tokenizer_of(c.files.tokenizer, c.text_encoder);
  for (size_t i = 0; i < c.dits.size(); ++i)
    out.components.push_back(dit_component(out.variant().experts[i], c.dits[i], c.files.evidence[i]));
  out.components.push_back(text_component(c.text_encoder));
  out.components.push_back(vae_component(out.variant().vae_traits(), c.vae_file));
  if (c.audio_encoder) out.components.push_back(component("audio encoder", "audio_encoder", *c.audio_encoder, {}));
  if (c.image_encoder) out.components.push_back(component("image encoder", "image_encoder", *c.image_encoder, {}));
}

void look_at_dits(InspectedModel& out) {
  const WeightChoice& w = out.choice;
  const std::filesystem::path& only = w.checkpoint.empty() ? w.dit : w.checkpoint;
  const auto add = [&](const std::filesystem::path& path, const ExpertSpec* expert, std::string_view evidence) {
    if (path.empty()) return;
    const WeightFile file = WeightFile::open(path, ModelPart::kDit);
    const DitIdentity identity = identify_dit(file);
    out.models.variant = identity.variant;
    out.models.dit = identity.config;
    out.heads_evidence = identity.evidence;
    if (out.folder.empty()) out.folder = path.parent_path();
    // One of a pair whose name says nothing is a DiT and no more.
    static constexpr ExpertSpec kUnnamed{"", "", NoiseRange::kAll, 0};
    out.components.push_back(dit_component(expert != nullptr ? *expert : kUnnamed, file, evidence));
  };
  add(only, nullptr, "the file itself");
  for (const auto& [path, range] :
       {std::pair(&w.dit_high, NoiseRange::kHigh), std::pair(&w.dit_low, NoiseRange::kLow)}) {
    if (path->empty()) continue;
    const Variant* variant = identify_dit(WeightFile::open(*path, ModelPart::kDit)).variant;
    const auto expert = std::find_if(variant->experts.begin(), variant->experts.end(),
                                     [wanted = range](const ExpertSpec& each) { return each.range == wanted; });
    add(*path, expert == variant->experts.end() ? nullptr : &*expert, "its name or flag");
  }
}

/// Some are missing: those that are there, in the sizes of the published ones for the others.
void look_at_parts(InspectedModel& out) {
  out.layout = "single files";
  look_at_dits(out);
  const WeightChoice& w = out.choice;
  const Variant& variant = out.variant();
  out.models.text = published_text_encoder_config();
  out.models.vae = {variant.vae, variant.vae_traits().latent_channels};
  const auto place = [&](const std::filesystem::path& named, const char* flag) {
    return !named.empty() || out.lacks(flag) ? named : w.checkpoint;  // within the file of a whole model
  };
  if (const auto path = place(w.text_encoder, "--text-encoder"); !path.empty()) {
    const WeightFile file = WeightFile::open(path, ModelPart::kTextEncoder);
    out.models.text = file.sizes().text;
    out.components.push_back(text_component(file));
    if (!out.lacks("--tokenizer")) out.tokenizer = tokenizer_of(w.tokenizer, file);
  }
  if (const auto path = place(w.vae, "--vae"); !path.empty()) {
    const WeightFile file = WeightFile::open(path, ModelPart::kVae);
    out.models.vae = {file.sizes().vae, file.sizes().latent_channels};
    out.components.push_back(vae_component(variant.vae_traits(), file));
  }
  out.models.defaults = read_checkpoint_defaults(out.folder);
}

}  // namespace

bool InspectedModel::lacks(std::string_view flag) const {
  return std::any_of(siblings.missing.begin(), siblings.missing.end(),
                     [&](const MissingPart& part) { return part.flag == flag; });
}

InspectedModel inspect_model(const WeightChoice& choice) {
  InspectedModel out;
  out.title = choice.title().string();
  out.choice = choice;
  if (names_dit_files_alone(choice)) {
    out.siblings = find_siblings(choice);
    out.choice = out.siblings.choice;
  }
  out.siblings.missing.empty() ? look_at_whole(out) : look_at_parts(out);
  out.card = read_model_card(out.folder);
  out.has_own_defaults = is_file(out.folder / kCheckpointDefaultsName);
  out.defaults = default_plan(out.models, "cpu");
  out.needs = needs_here(out.models, look_at_machine());
  return out;
}

namespace {

/// What the DiT's name speaks of, unless the checkpoint says itself how it is sampled.
void add_recipe(const InspectedModel& found, ShellCommand& command) {
  if (found.has_own_defaults || found.components.empty()) return;
  const std::string_view recipe = recipe_by_name(found.components.front().file, found.variant());
  if (!recipe.empty()) command.add("--recipe", recipe);
}

}  // namespace

ShellCommand generate_command(const InspectedModel& found) {
  ShellCommand command("wanbench generate");
  WeightChoice w = found.choice;
  const bool lacks_name = found.lacks(kEitherExpert);
  if (lacks_name) {  // the file may be either
    w.checkpoint.clear();
    w.dit.clear();
  }
  const std::pair<const char*, const std::filesystem::path*> flags[] = {
      {"--checkpoint", &w.checkpoint},     {"--dit", &w.dit}, {"--dit-high", &w.dit_high},  {"--dit-low", &w.dit_low},
      {"--text-encoder", &w.text_encoder}, {"--vae", &w.vae}, {"--tokenizer", &w.tokenizer}};
  for (const auto& [flag, path] : flags) {
    const bool is_expert = path == &w.dit_high || path == &w.dit_low;
    if (!path->empty())
      command.add_path(flag, *path);
    else if (found.lacks(flag) || (lacks_name && is_expert))
      command.add(flag, "FILE");
  }
  add_recipe(found, command);
  if (found.variant().image.presence == Presence::kRequired) command.add("--image", "FILE");
  if (found.variant().takes_audio()) command.add("--audio", "FILE");
  if (found.variant().takes_driving_video()) {
    command.add("--animate-inputs", "DIR");
    return command;
  }
  command.add("--prompt", "TEXT");
  return command;
}

double percent_of(int64_t count, const Component& all) {
  return 100.0 * static_cast<double>(count) / static_cast<double>(std::max<int64_t>(all.parameters, 1));
}

}  // namespace wan::cli
