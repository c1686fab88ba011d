// Where a rank stands among those that make a video. Private to pipeline/.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "pipeline/parallel.h"

namespace wan {

/// One rank's place among all of a video.
struct RankGroups {
  /// Called by every rank alike. `vae_ranks` of them share the VAE's columns.
  RankGroups(Communicator& every, const Parallel& parallel, int vae_ranks);
  /// Whether this rank is one of those.
  bool has_columns() const { return columns != nullptr; }

  Communicator& all;
  int branch = 0;                          // 0: of the positive prompt
  std::unique_ptr<Communicator> tokens;    // the ranks that share this branch's tokens; none: this rank has all
  std::unique_ptr<Communicator> branches;  // one rank of each branch; none: this rank has both
  std::unique_ptr<Communicator> columns;  // the ranks that share the VAE's columns; none: they are too few for this one
};

}  // namespace wan
