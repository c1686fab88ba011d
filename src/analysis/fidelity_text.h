// What a run's precision class is measured against, and which LoRAs its weights have: in words for people.
#pragma once

#include <string>

#include "results/record.h"

namespace wan {

/// "class rounding". Of this engine's own runs with weights that are stored in fewer bits, with LoRAs or with another
/// recipe than the official: also that the class is against these, and that the distance from the published weights is
/// not measured, unless a quality of the record is.
std::string fidelity_text(const RunRecord& record);

/// "style.safetensors x 0.7, fast.safetensors x 1 (high_noise)"; empty: none.
std::string loras_text(const Workload& work);

}  // namespace wan
