// What a run's precision class is measured against, which LoRAs its weights have, and which images it is made of: in
// words for people.
#pragma once

#include <string>

#include "results/record.h"

namespace wan {

/// What the precision class is against, of this engine's own runs with weights that are stored in fewer bits, with
/// LoRAs or with another recipe than the official: these weights and this recipe; and that the distance from the
/// published weights is not measured, unless a quality of the record is. Empty of other runs.
std::string fidelity_text(const RunRecord& record);

/// "style.safetensors x 0.7, fast.safetensors x 1 (high_noise)"; empty: none.
std::string loras_text(const Workload& work);

/// "first frame SHA-256 1f2e3d4c, last frame SHA-256 5a6b7c8d"; empty: a video of text alone.
std::string images_text(const Workload& work);

}  // namespace wan
