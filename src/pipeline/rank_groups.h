// Where a rank stands among those that make a video. Private to pipeline/.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "pipeline/parallel.h"

namespace wan {

/// One rank's place among all of a video.
struct RankGroups {
  /// Called by every rank alike.
  RankGroups(Communicator& every, const Parallel& parallel);

  Communicator& all;
  int branch = 0;                          // 0: of the positive prompt
  std::unique_ptr<Communicator> tokens;    // the ranks that share this branch's tokens; none: this rank has all
  std::unique_ptr<Communicator> branches;  // one rank of each branch; none: this rank has both
};

}  // namespace wan
