// The ways to reuse what a denoising step computed in later ones, by name.
#pragma once

namespace wan {

enum class StepCache { kOff, kMagCache, kEasyCache };

}  // namespace wan
