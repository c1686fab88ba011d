// Long series of samples made short enough to draw.
#pragma once

#include "results/samples.h"

namespace wan {

/// The series with at most `most` points (at least 1): neighbours are put together, each group from its first begin to
/// its last end with the mean of its values. A short series comes back as it is.
SampleSeries thinned(const SampleSeries& series, size_t most);

}  // namespace wan
