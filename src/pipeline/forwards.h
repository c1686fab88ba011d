// How many calls of a DiT a video took, and what was reused instead.
#pragma once

#include <optional>
#include <string>

namespace wan {

/// Of all steps, the positive prompt's branch and the negative one's together.
struct Forwards {
  std::optional<int> planned;  // to be computed, as it was known before the first; nothing where that was left open
  int computed = 0;            // through all blocks
  int reused = 0;              // of those that a video without reuse would compute
  /// A letter a step, of each branch: C computed, r reused, g the guidance's difference reused, - none asked for.
  std::string cond, uncond;
  double flop_computed = 0;  // of the DiT's calls, by the cost model
  double flop_skipped = 0;   // that a video without reuse would compute beside them

  bool operator==(const Forwards&) const = default;
};

/// Those of a video's clips, `b` behind `a`.
inline Forwards operator+(Forwards a, const Forwards& b) {
  if (a.planned) a.planned = b.planned ? std::optional(*a.planned + *b.planned) : std::nullopt;
  a.computed += b.computed;
  a.reused += b.reused;
  a.cond += b.cond;
  a.uncond += b.uncond;
  a.flop_computed += b.flop_computed;
  a.flop_skipped += b.flop_skipped;
  return a;
}

}  // namespace wan
