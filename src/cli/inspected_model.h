// What `inspect` finds of a model, whole or with parts that are missing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/weight_choice.h"
#include "cli/json_document.h"
#include "cli/model_card.h"
#include "cli/needs_here.h"
#include "cli/shell_command.h"
#include "model/sibling_parts.h"
#include "pipeline/plan.h"

namespace wan::cli {

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

struct InspectedModel {
  WeightChoice choice;    // with what was found around a DiT that was named alone
  std::string title;      // as it was named
  SiblingParts siblings;  // of such a DiT
  ModelSet models;        // without a checkpoint where parts are missing; their sizes are then the published ones
  std::string layout;
  std::filesystem::path folder;
  std::string tokenizer;  // where it lies; empty: it is missing
  std::string heads_evidence;
  std::vector<Component> components;
  std::optional<ModelCard> card;
  bool has_own_defaults = false;  // the folder says how the checkpoint is sampled
  Plan defaults;                  // of its own video
  NeedsHere needs;

  const Variant& variant() const { return *models.variant; }
  bool lacks(std::string_view flag) const;
};

/// Opens what `choice` names; of DiTs that are named alone also what lies around them. Throws Error(kInput, kUsage) as
/// open_checkpoint and default_plan do.
InspectedModel inspect_model(const WeightChoice& choice);

/// What to type to make a video of it.
ShellCommand generate_command(const InspectedModel& found);

/// In 80 columns, where paths allow.
void print_model(const InspectedModel& found);

/// The document of docs/formats.md.
OrderedJson json_of(const InspectedModel& found);

/// The share of `count` elements, in percent.
double percent_of(int64_t count, const Component& all);

}  // namespace wan::cli
