// A communicator that moves nothing: for a forward on a dry backend, which counts the memory that one rank needs.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace wan {

/// Rank 0, whose share is the largest, of `size`.
std::unique_ptr<Communicator> make_dry_communicator(int size);

}  // namespace wan
