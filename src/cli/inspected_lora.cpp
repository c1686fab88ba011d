#include "cli/inspected_lora.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/file_kind.h"
#include "base/flags.h"
#include "cli/columns.h"
#include "io/printable.h"
#include "model/checkpoint_files.h"
#include "model/sibling_parts.h"
#include "pipeline/recipe.h"

namespace wan::cli {
namespace {

constexpr int64_t kMostBlocks = 128;  // three times as many as any published model has

/// The model that a LoRA was made for, as far as its tensors tell.
struct ToldSizes {
  DitConfig config;  // what nothing tells is the first model's
  std::optional<int64_t> width, blocks;
};

std::optional<int64_t> block_of(std::string_view weight) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!weight.starts_with(kBlocks)) return std::nullopt;
  weight.remove_prefix(kBlocks.size());
  return checked_number(weight.substr(0, weight.find('.')), Bounds<int64_t>{0, kMostBlocks});
}

/// Rows and columns of the matrix that a tensor is a factor of, or that it changes; 0: it does not tell.
struct Extents {
  int64_t rows = 0, columns = 0;
};

Extents extents_of(const Shape& shape, LoraRole role) {
  if (shape.rank() < 1 || shape.count() == 0) return {};
  const int64_t behind = shape.count() / shape[0];
  switch (role) {
    case LoraRole::kUp: return {shape[0], 0};
    case LoraRole::kDown: return {0, behind};
    case LoraRole::kUpBias:
    case LoraRole::kBias: return {shape.count(), 0};
    case LoraRole::kDifference: return {shape[0], behind};
    default: return {};
  }
}

/// What a change of the official weight `name` tells of its model.
void learn(const std::string& name, const Extents& extents, ToldSizes& told) {
  DitConfig& c = told.config;
  const auto set = [](int64_t& size, int64_t value) {
    if (value > 0) size = value;
  };
  const auto set_width = [&](int64_t value) {
    if (value <= 0) return;
    c.dim = value;
    told.width = value;
  };
  if (const auto block = block_of(name)) {
    told.blocks = std::max(told.blocks.value_or(0), *block + 1);
    const bool is_matrix = name.ends_with(".weight") && name.find("norm") == std::string::npos;
    if (!is_matrix) return;
    name.find(".ffn.0.") != std::string::npos ? set(c.ffn_dim, extents.rows) : set_width(extents.rows);
    name.find(".ffn.2.") != std::string::npos ? set(c.ffn_dim, extents.columns) : set_width(extents.columns);
  } else if (name == "text_embedding.0.weight") {
    set(c.text_dim, extents.columns);
  } else if (name == "patch_embedding.weight") {
    set_width(extents.rows);
    set(c.in_dim, extents.columns / c.patch.positions());
  } else if (name == "head.head.weight") {
    set(c.out_dim, extents.rows / c.patch.positions());
    set_width(extents.columns);
  } else if (name.starts_with("text_embedding.2.") || name == "time_embedding.0.weight") {
    set_width(extents.rows);
  }
}

ToldSizes sizes_of(const TensorFile& file) {
  ToldSizes told{variants().front().dit, std::nullopt, std::nullopt};
  DitConfig names = told.config;
  names.num_layers = kMostBlocks;
  const std::vector<ExpectedWeight> weights = dit_weights(names);
  const LoraNames of_weights(weights);
  for (const StoredTensor& tensor : file.tensors()) {
    const auto key = parse_lora_key(tensor.name);
    const ExpectedWeight* weight = key ? of_weights.find(*key) : nullptr;
    if (weight != nullptr) learn(weight->name, extents_of(tensor.shape, key->role), told);
  }
  if (told.blocks) told.config.num_layers = *told.blocks;
  return told;
}

/// Of sizes that a file may claim.
void require_possible(const DitConfig& config, const std::string& where) {
  for (const int64_t size : {config.dim, config.ffn_dim, config.text_dim, config.in_dim, config.out_dim})
    checked_size(size, "a size of the model it was made for", where);
}

/// Without the file's name, which is said already.
std::string problem_of(const Error& error, const std::filesystem::path& file) {
  const std::string text = error.what(), begin = file.string() + ": ";
  return text.starts_with(begin) ? text.substr(begin.size()) : text;
}

std::string_view word_of(LoraExpert expert) {
  switch (expert) {
    case LoraExpert::kHigh: return expert_name(NoiseRange::kHigh);
    case LoraExpert::kLow: return expert_name(NoiseRange::kLow);
    case LoraExpert::kAll: break;
  }
  return "all";
}

void take_changes(const Lora& lora, InspectedLora& out) {
  out.facts = lora.facts();
  for (const LoraExpert expert : {LoraExpert::kAll, LoraExpert::kHigh, LoraExpert::kLow}) {
    const auto is_of = [&](const LoraChange& change) { return change.expert == expert; };
    if (std::any_of(lora.changes().begin(), lora.changes().end(), is_of)) out.experts.emplace_back(word_of(expert));
  }
  out.differences = std::count_if(lora.changes().begin(), lora.changes().end(),
                                  [](const LoraChange& change) { return !change.is_product(); });
}

/// Told by trying: a LoRA's names and shapes are looked up among the model's.
LoraFit fit_of(const std::filesystem::path& path, const InspectedLora& lora, const Variant& variant) {
  try {
    return {&variant, Lora::open(path, dit_weights(variant.dit)).facts(), {}};
  } catch (const Error& error) {
    return {&variant, std::nullopt, problem_of(error, lora.files.factors)};
  }
}

std::string share_text(const InspectedLora& found) {
  std::string text;
  for (const auto& [type, count] : found.by_type)
    text +=
        fmt::format("{}{} {:.1f} %", text.empty() ? "" : ", ", type,
                    100.0 * static_cast<double>(count) / static_cast<double>(std::max<int64_t>(found.parameters, 1)));
  return text;
}

/// "240 pairs of rank 16, 2 of rank 4".
std::string pairs_text(const LoraFacts& facts) {
  std::string text;
  for (const auto& [rank, pairs] : facts.ranks)
    text += fmt::format("{}{}{} of rank {}", text.empty() ? "" : ", ", pairs,
                        !text.empty() ? ""
                        : pairs == 1  ? " pair"
                                      : " pairs",
                        rank);
  return text.empty() ? "no pairs" : text;
}

std::string scales_text(const LoraFacts& facts) {
  std::string text;
  for (const auto& [source, pairs] : facts.scales)
    text += fmt::format("{}{} by {}", text.empty() ? "" : "; ", pairs, source);
  return text;
}

std::string unmatched_text(const LoraFacts& facts) {
  std::vector<std::string> names;
  for (const std::string& name : facts.unmatched_names) names.push_back(printable(name));
  if (facts.unmatched > static_cast<int64_t>(names.size())) names.emplace_back("...");
  return names.empty() ? "" : fmt::format(" ({})", fmt::join(names, ", "));
}

std::string experts_text(const InspectedLora& found) {
  std::string text = "experts: its tensors ";
  text += found.experts == std::vector<std::string>{std::string(word_of(LoraExpert::kAll))}
              ? "name none and are for all"
              : fmt::format("are for {}", fmt::join(found.experts, " and for "));
  return text + (found.by_name ? fmt::format("; its file's name says {}", expert_name(*found.by_name))
                               : "; its file's name says none");
}

/// What to type for each published model that it fits; where it fits none, for a model of its size.
void print_commands(const InspectedLora& found) {
  bool any = false;
  for (const LoraFit& fit : found.fits) {
    if (!fit.facts) continue;
    print("\nto add it to {}:\n{}", fit.variant->name, generate_command(found, *fit.variant).lines());
    any = true;
  }
  if (any || !found.facts) return;
  // The flag is another one where the name says an expert and there are two.
  for (const bool has_experts : {false, true}) {
    const auto row = std::find_if(variants().begin(), variants().end(), [&](const Variant& variant) {
      return (variant.experts.size() > 1) == has_experts && variant.image.presence != Presence::kRequired;
    });
    if (row == variants().end()) continue;
    print("\nto add it to a model of its size{}:\n{}",
          !found.by_name ? ""
          : has_experts  ? " with two experts"
                         : " with one DiT",
          generate_command(found, *row).lines());
    if (!found.by_name) return;
  }
}

}  // namespace

InspectedLora inspect_lora(const std::filesystem::path& path) {
  InspectedLora out;
  out.title = path.string();
  out.files = lora_files(path);
  const TensorFile file = TensorFile::open(out.files.factors);
  out.format = file.format();
  out.tensors = file.tensors().size();
  for (const MappedFile& part : file.files()) out.bytes += part.bytes().size();
  for (const StoredTensor& tensor : file.tensors()) {
    out.by_type[std::string(tensor.type_name())] += tensor.shape.count();
    out.parameters += tensor.shape.count();
  }
  const ToldSizes told = sizes_of(file);
  out.width = told.width;
  out.blocks = told.blocks;
  try {
    require_possible(told.config, out.files.factors.string());
    take_changes(Lora::open(path, dit_weights(told.config)), out);
  } catch (const Error& error) {
    out.problem = problem_of(error, out.files.factors);
  }
  out.by_name = expert_by_name(path);
  const std::string other = counterpart_name(path.filename().string());
  std::error_code ignored;
  if (out.by_name && !other.empty() && std::filesystem::exists(path.parent_path() / other, ignored))
    out.counterpart = path.parent_path() / other;
  // Of models of clips only those take any that attend to a picture: told from others of their size by such weights.
  const bool changes_picture = std::ranges::any_of(
      file.tensors(), [](const StoredTensor& tensor) { return tensor.name.find("k_img") != std::string::npos; });
  for (const Variant& variant : variants())
    if (!variant.takes_driving_video() || changes_picture) out.fits.push_back(fit_of(path, out, variant));
  return out;
}

ShellCommand generate_command(const InspectedLora& found, const Variant& variant) {
  ShellCommand command("wanbench generate");
  command.add("--checkpoint", "FOLDER");
  const bool has_experts = variant.experts.size() > 1;
  if (!has_experts || !found.by_name) {
    command.add_path(flags::kLora, found.title);
  } else {
    const bool is_high = *found.by_name == NoiseRange::kHigh;
    const std::filesystem::path own = found.title;
    const std::filesystem::path &high = is_high ? own : found.counterpart, &low = is_high ? found.counterpart : own;
    if (!high.empty()) command.add_path(flags::kLoraHigh, high);
    if (!low.empty()) command.add_path(flags::kLoraLow, low);
  }
  const std::string_view recipe = recipe_by_name(found.files.factors, variant);
  if (!recipe.empty()) command.add("--recipe", recipe);
  if (variant.image.presence == Presence::kRequired) command.add("--image", "FILE");
  if (variant.takes_driving_video())
    command.add("--animate-inputs", "DIR");
  else
    command.add("--prompt", "TEXT");
  return command;
}

void print_lora(const InspectedLora& found) {
  print("{}", wrapped(found.title, 0));
  print("a LoRA, a change to a model\n\n");
  print("{}", wrapped("file: " + found.files.factors.string(), 0, 2));
  print("{}", wrapped(fmt::format("{}, {} bytes, {} tensors: {}", found.format, found.bytes, found.tensors,
                                  share_text(found)),
                      0, 2));
  if (!found.files.adapter.empty()) print("{}", wrapped("beside it: " + found.files.adapter.string(), 0, 2));
  if (found.width || found.blocks)
    print("{}", wrapped(fmt::format("made for: a DiT of {}{}",
                                    found.width ? fmt::format("width {}", *found.width) : "a width it does not tell",
                                    found.blocks ? fmt::format(", blocks 0 to {}", *found.blocks - 1) : ""),
                        0, 2));
  if (found.facts) {
    const LoraFacts& facts = *found.facts;
    print("{}", wrapped("digest: " + facts.digest, 0, 2));
    print("{}", wrapped(fmt::format("changes: {}, {} difference{} of whole weights", pairs_text(facts),
                                    found.differences, found.differences == 1 ? "" : "s"),
                        0, 2));
    if (!facts.scales.empty()) print("{}", wrapped("scales of pairs: " + scales_text(facts), 0, 2));
    print("{}", wrapped(experts_text(found), 0, 2));
  } else {
    print("{}", wrapped("not read: " + found.problem, 0, 2));
  }
  print("\n");
  for (const LoraFit& fit : found.fits)
    print("{}", wrapped(fit.facts ? fmt::format("{}: fits: {} tensors applied, {} ignored, {} unmatched{}",
                                                fit.variant->name, fit.facts->applied, fit.facts->ignored,
                                                fit.facts->unmatched, unmatched_text(*fit.facts))
                                  : fmt::format("{}: does not fit: {}", fit.variant->name, fit.problem),
                        0, 2));
  print_commands(found);
}

OrderedJson json_of(const InspectedLora& found) {
  const auto or_reason = [](const auto& value, const char* reason) {
    return value ? json_value(OrderedJson(*value)) : json_value(nullptr, reason);
  };
  OrderedJson json = json_document("wanbench.inspect", 1, 2);
  json["kind"] = "lora";
  json["file"] = found.files.factors.string();
  json["adapter"] = found.files.adapter.empty() ? json_value(nullptr, "no_adapter_config")
                                                : json_value(OrderedJson(found.files.adapter.string()));
  json["format"] = found.format;
  json["bytes"] = found.bytes;
  json["tensors"] = found.tensors;
  json["stored_percent"] = OrderedJson::object();
  for (const auto& [type, count] : found.by_type)
    json["stored_percent"][type] =
        100.0 * static_cast<double>(count) / static_cast<double>(std::max<int64_t>(found.parameters, 1));
  json["width"] = or_reason(found.width, "not_told");
  json["blocks"] = or_reason(found.blocks, "not_told");
  const auto of_facts = [&](const auto& value) {
    return found.facts ? json_value(OrderedJson(value(*found.facts))) : json_value(nullptr, found.problem);
  };
  json["digest"] = of_facts([](const LoraFacts& facts) { return facts.digest; });
  json["pairs_by_rank"] = of_facts([](const LoraFacts& facts) {
    OrderedJson ranks = OrderedJson::object();
    for (const auto& [rank, pairs] : facts.ranks) ranks[std::to_string(rank)] = pairs;
    return ranks;
  });
  json["differences"] = of_facts([&](const LoraFacts&) { return found.differences; });
  json["scales"] = of_facts([](const LoraFacts& facts) { return facts.scales; });
  json["experts"] = of_facts([&](const LoraFacts&) { return found.experts; });
  json["expert_by_name"] =
      found.by_name ? json_value(OrderedJson(expert_name(*found.by_name))) : json_value(nullptr, "name_says_none");
  json["models"] = OrderedJson::array();
  for (const LoraFit& fit : found.fits) {
    OrderedJson model{{"model", fit.variant->name}, {"fits", json_value(fit.facts.has_value(), fit.problem)}};
    if (fit.facts) {
      model["applied"] = fit.facts->applied;
      model["ignored"] = fit.facts->ignored;
      model["unmatched"] = fit.facts->unmatched;
      model["unmatched_names"] = fit.facts->unmatched_names;
      model["generate"] = generate_command(found, *fit.variant).text();
    }
    json["models"].push_back(std::move(model));
  }
  return json;
}

}  // namespace wan::cli
