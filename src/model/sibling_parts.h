// What a DiT's file that is named alone still needs, and what of that lies around it: in the folders of ComfyUI that it
// is in, or else in its own folder. For people who ask what a file is: whoever makes videos names every part.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/weight_choice.h"

namespace wan {

/// A part that is neither named nor found, or is there several times.
struct MissingPart {
  std::string part;  // "text encoder"
  std::string flag;  // "--text-encoder"
  std::string why;   // for people
};

/// The flag of a part whose name does not say which expert it is.
inline constexpr const char* kEitherExpert = "--dit-high or --dit-low";

struct SiblingParts {
  WeightChoice choice;             // as it was given, with what was found in place of what it left open
  std::vector<std::string> found;  // "VAE: models/vae/x.safetensors, the only one there that fits": for people
  std::vector<MissingPart> missing;
};

/// Whether `choice` names DiTs by their files and no folder. Throws Error(kInput) as parts_in does.
bool names_dit_files_alone(const WeightChoice& choice);

/// Completes such a choice. Reads headers. Of a model of two experts the other one is taken by its name: the same with
/// `low` in place of `high`, or the only one of that noise. Throws Error(kInput) naming the file for a DiT that is not
/// read or whose model nothing tells.
SiblingParts find_siblings(const WeightChoice& choice);

/// `name` with "high" in place of "low" or the other way round, in its own case; empty where it has neither or both.
std::string counterpart_name(const std::string& name);

}  // namespace wan
