// What `inspect` finds of a LoRA: what is in it and which models of the family it can be added to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/json_document.h"
#include "cli/shell_command.h"
#include "model/lora.h"
#include "model/variant.h"

namespace wan::cli {

/// One model of the family, and what of the LoRA it would take.
struct LoraFit {
  const Variant* variant = nullptr;
  std::optional<LoraFacts> facts;  // nothing where it does not fit
  std::string problem;             // why not
};

struct InspectedLora {
  std::string title;  // as it was named
  LoraFiles files;
  std::string format;  // of the file
  uint64_t bytes = 0;
  uint64_t tensors = 0;
  std::map<std::string, int64_t> by_type;  // elements
  int64_t parameters = 0;
  std::optional<int64_t> width, blocks;  // of the model that it was made for, as far as its tensors tell
  std::optional<LoraFacts> facts;        // read against a model of these sizes
  std::string problem;                   // why that could not be read
  int64_t differences = 0;               // of weights, biases and modulations, whole
  std::vector<std::string> experts;      // that its tensors' names speak of: "all", or one or both
  std::optional<NoiseRange> by_name;     // the expert that its file's name says
  std::filesystem::path counterpart;     // the other one of a pair, where it lies beside it under its name
  std::vector<LoraFit> fits;             // every model of the family
};

/// Reads headers and alphas. Throws Error(kInput) naming the file for one that cannot be opened at all.
InspectedLora inspect_lora(const std::filesystem::path& path);

/// What to type to add it to a model; one that names a folder for the model's.
ShellCommand generate_command(const InspectedLora& found, const Variant& variant);

/// In 80 columns, where paths allow.
void print_lora(const InspectedLora& found);

/// The document of docs/formats.md.
OrderedJson json_of(const InspectedLora& found);

}  // namespace wan::cli
