// How the ranks of a video share its work.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/request.h"

namespace wan {

/// Guidance's two branches are of a rank each where `cfg` is 2, and the tokens of a branch are shared by `ulysses`.
struct Parallel {
  int cfg = 1, ulysses = 1;
  int ranks() const { return cfg * ulysses; }
  /// "cfg=2,ulysses=2", as --parallel takes it.
  std::string text() const;
  bool operator==(const Parallel&) const = default;
};

/// How many ranks --gpus asks for; 1 where it is left out. Throws Error(kUsage) for what is neither a number of ranks
/// nor a list of cards.
int asked_ranks(const Request& request);

/// What decides how ranks may share a video.
struct Shareable {
  bool is_guided = false;  // some step has both branches
  int64_t heads = 0, tokens = 0;
};

/// --parallel, or for auto guidance's branches first and then tokens. Throws Error(kUsage) where the ranks cannot share
/// the video so, with the reason.
Parallel choose_parallel(const Request& request, const Shareable& video);

}  // namespace wan
