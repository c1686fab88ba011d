#include "pipeline/rank_groups.h"

#include <utility>

namespace wan {

RankGroups::RankGroups(Communicator& every, const Parallel& parallel, int vae_ranks) : all(every) {
  branch = every.rank() / parallel.ulysses;
  std::unique_ptr<Communicator> shares = every.split(branch);
  std::unique_ptr<Communicator> pair = every.split(every.rank() % parallel.ulysses);
  const bool is_of_vae = every.rank() < vae_ranks;
  std::unique_ptr<Communicator> of_vae = every.split(is_of_vae ? 0 : 1);
  if (is_of_vae) columns = std::move(of_vae);
  if (parallel.ulysses > 1) tokens = std::move(shares);
  if (parallel.cfg > 1) branches = std::move(pair);
}

}  // namespace wan
