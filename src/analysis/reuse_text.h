// What a video computed and what it reused, for people.
#pragma once

#include <string>

#include "results/record.h"

namespace wan {

/// "52 of 100 forwards computed, as planned; 47.9 % of the operations left out"; where the plan left them open or was
/// not kept, that instead. Empty: nothing was reused, or it is not known.
std::string reuse_text(const RunRecord& run);

/// A letter a step for each prompt's forward, and what the letters are: "positive CCrr, negative CCrg (C computed, r
/// reused, g guidance's difference reused)". Empty likewise.
std::string reuse_letters(const RunRecord& run);

}  // namespace wan
