// How exact a run is by construction.
#pragma once

#include <string_view>

namespace wan {

/// How far the output may be from the reference by construction; never compared across classes without saying so.
enum class PrecisionClass {
  kExact,     // same maths in fp32
  kRounding,  // same maths, bf16 rounding
  kDrift,     // quantised: fp8, int8
  kAltered,   // caching, sparsity, gates: not the maths of the weights and the recipe that were used
  kUnknown,   // imported, not recorded there
};

std::string_view to_string(PrecisionClass value);

}  // namespace wan
