// Raw samples as the series kept beside a record.
#pragma once

#include "measure/sampler.h"
#include "results/samples.h"

namespace wan::measure {

/// What was read within the interval, times counted from its begin. Counters become rates; instants stay instants.
SampleSet series_of(const Samples& samples, Interval total);

}  // namespace wan::measure
