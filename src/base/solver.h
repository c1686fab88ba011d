// The solvers of the flow equation, by name: a request asks for one, sampler/ has them.
#pragma once

namespace wan {

enum class Solver { kUniPC, kDpmPlusPlus, kEuler, kLcm };

}  // namespace wan
