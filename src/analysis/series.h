// Long series of samples made short enough to draw.
#pragma once

#include "results/samples.h"

namespace wan {

/// The series with at most `most` points (at least 1): neighbours are put together, each group from its first begin to
/// its last end with the mean of its values. A short series comes back as it is.
SampleSeries thinned(const SampleSeries& series, size_t most);

/// The series with at most `most` readings (at least 2) that were there: of each piece of neighbours the smallest and
/// the largest, in their order, so that no peak is lost. A short series comes back as it is.
SampleSeries extremes_of(const SampleSeries& series, size_t most);

}  // namespace wan
