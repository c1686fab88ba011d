// What `inspect` says of a model.
#include <string>

#include <fmt/format.h>

#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/inspected_model.h"
#include "model/official_layout.h"
#include "model/weight_scheme.h"

namespace wan::cli {
namespace {

constexpr size_t kTypes = 50;  // column of the types

void print_component(const Component& c) {
  std::string types;
  for (const auto& [type, count] : c.by_type)
    types += fmt::format("{}{} {:.1f} %", types.empty() ? "" : ", ", type, percent_of(count, c));
  print("{}", wrapped(fmt::format("{:<14} {:>14} {:>8} {:>9.3f}  {}", c.title, c.parameters, c.tensors,
                                  static_cast<double>(c.bytes) / (1024.0 * 1024.0 * 1024.0), types),
                      0, kTypes));
}

/// "240 weights with one scale a tensor, 5 without scales".
std::string schemes_of(const Component& c) {
  std::string text;
  for (const auto& [scheme, count] : c.by_scheme) {
    const bool is_plain = scheme == name_of(WeightScheme::kPlain);
    const bool is_named = !is_plain && scheme.find(' ') == std::string::npos;  // "mxfp8"
    text += fmt::format("{}{}{} {}{}", text.empty() ? "" : ", ", count, text.empty() ? " weights" : "",
                        is_plain   ? "without scales"
                        : is_named ? "in "
                                   : "with ",
                        is_plain ? "" : scheme);
  }
  return text;
}

void print_evidence(const Component& c) {
  print("{}", wrapped(fmt::format("{}: {}: {}; {}", c.title, c.file, c.evidence, schemes_of(c)), 0, 2));
}

void print_siblings(const SiblingParts& siblings) {
  for (const std::string& found : siblings.found) print("{}", wrapped("found around it: " + found, 0, 2));
  for (const MissingPart& part : siblings.missing)
    print("{}", wrapped(fmt::format("missing: the {}: {}; name it with {}", part.part, part.why, part.flag), 0, 2));
}

/// The licence, and the card itself where it is short enough to be read here.
void print_card(const InspectedModel& found) {
  constexpr size_t kShort = 6000;  // bytes; the cards of model hubs are longer, mostly pictures and instructions
  const auto& card = found.card;
  if (!card) {
    print("licence: not said, there is no README.md\n");
    return;
  }
  print("{}", wrapped("licence: " + (card->licence.empty() ? std::string("not said in README.md") : card->licence), 0));
  if (card->text.size() > kShort) {
    print("{}", wrapped("model card: " + (found.folder / "README.md").string(), 0));
    return;
  }
  // All but the first line is indented, so that nothing can pass for a line of ours.
  print("\n");
  std::string_view text = card->text;
  for (size_t indent = 0;; indent = 2) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.empty())
      print("\n");
    else
      print("{}", wrapped(line, indent, indent == 0 ? 2 : 0));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::string layers_of(int64_t count) { return fmt::format("{} layer{}", count, count == 1 ? "" : "s"); }

std::string sampling_of(const InspectedModel& found) {
  const Plan& plan = found.defaults;
  std::string text = fmt::format("defaults: {}x{}, {} frames at {} fps, {} steps, ", plan.width, plan.height,
                                 plan.num_frames, plan.fps, plan.steps);
  text += plan.shift ? fmt::format("shift {}", *plan.shift) : std::string("no shift");
  text += fmt::format(", guidance {} (low), {} (high)", plan.guidance_low, plan.guidance_high);
  if (const auto step = plan.low_noise_from_step()) text += fmt::format(", low noise from step {} on", *step);
  return text;
}

}  // namespace

void print_model(const InspectedModel& found) {
  const Variant& variant = found.variant();
  const DitConfig& dit = found.models.dit;
  const TextEncoderConfig& text = found.models.text;
  const bool has_text = !found.lacks("--text-encoder");
  print("{}", wrapped(found.title, 0));
  print("{}", wrapped(fmt::format("{}: {}", variant.abbreviation, variant.description), 0));
  print("layout: {}\n\n", found.layout);
  print("{:<14} {:>14} {:>8} {:>9}  {}\n", "component", "parameters", "tensors", "GiB", "stored as");
  for (const Component& each : found.components) print_component(each);
  print("\n");
  for (const Component& each : found.components) print_evidence(each);
  if (!found.tokenizer.empty()) print("{}", wrapped("tokenizer: " + found.tokenizer, 0, 2));
  print("{}", wrapped("heads: by " + found.heads_evidence, 0, 2));
  print_siblings(found.siblings);
  print("\n{}", wrapped(fmt::format("DiT: {}, width {}, {} heads of {}, feed-forward {}, channels {} in, {} out",
                                    layers_of(dit.num_layers), dit.dim, dit.num_heads, dit.head_dim(), dit.ffn_dim,
                                    dit.in_dim, dit.out_dim),
                        0, 2));
  if (has_text)
    print("{}", wrapped(fmt::format("text encoder: {}, width {}, {} heads, vocabulary {}", layers_of(text.num_layers),
                                    text.dim, text.num_heads, text.vocabulary),
                        0, 2));
  print("{}", wrapped(sampling_of(found), 0, 2));
  print("{}",
        wrapped(fmt::format("recipe: {}, {}; said by {}", found.defaults.recipe->name, found.defaults.recipe->title,
                            found.has_own_defaults ? kCheckpointDefaultsName : "the model alone"),
                0, 2));
  print("\n");
  print_needs(found.needs);
  print("\nto make a video:\n{}", generate_command(found).lines());
  print_card(found);
}

}  // namespace wan::cli
