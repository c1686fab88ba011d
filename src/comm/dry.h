// A communicator that moves nothing: for a forward on a dry backend, which counts the memory that one rank needs.
#pragma once

#include <memory>

#include "comm/communicator.h"

namespace wan {

/// `rank` of `size`; rank 0's share is the largest where shares differ.
std::unique_ptr<Communicator> make_dry_communicator(int size, int rank = 0);

}  // namespace wan
