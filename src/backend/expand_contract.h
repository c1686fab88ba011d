// What Backend::expand accepts, for every backend.
#pragma once

#include <span>

#include "backend/backend.h"

namespace wan {

/// Throws Error naming the argument. `where`: of all memory.
void require_expandable(const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y, Memory where);

}  // namespace wan
