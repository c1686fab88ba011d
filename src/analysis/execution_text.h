// How a run was executed, in one line for people.
#pragma once

#include <string>

#include "results/record.h"

namespace wan {

/// "weights stream, dit bf16 of BF16+F32, ..., text encoded on cpu, decoder 1 latent frame at a time, 16 host threads";
/// where it is not known "not recorded: ..." with the reason.
std::string execution_text(const Measured<Execution>& execution);

}  // namespace wan
