#include "pipeline/rank_groups.h"

#include <utility>

namespace wan {

RankGroups::RankGroups(Communicator& every, const Parallel& parallel) : all(every) {
  branch = every.rank() / parallel.ulysses;
  std::unique_ptr<Communicator> shares = every.split(branch);
  std::unique_ptr<Communicator> pair = every.split(every.rank() % parallel.ulysses);
  if (parallel.ulysses > 1) tokens = std::move(shares);
  if (parallel.cfg > 1) branches = std::move(pair);
}

}  // namespace wan
