// The kernel choices shipped with the program, made by `wanbench tune` on the cards named. Format: tuning.h.
#include "backend/cuda/tuning.h"

namespace wan::cuda {

std::string_view builtin_tuning_table() { return ""; }

}  // namespace wan::cuda
