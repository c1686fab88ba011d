// Groups of equal size.
#include "analysis/series.h"

#include <algorithm>

namespace wan {

SampleSeries thinned(const SampleSeries& series, size_t most) {
  const size_t count = series.values.size();
  if (count <= most) return series;
  const size_t group = (count + most - 1) / most;
  SampleSeries out{series.name, {}, {}, {}};
  for (size_t from = 0; from < count; from += group) {
    const size_t to = std::min(count, from + group);
    double sum = 0;
    for (size_t i = from; i < to; ++i) sum += series.values[i];
    out.begin_ns.push_back(series.begin_ns[from]);
    out.end_ns.push_back(series.end_ns[to - 1]);
    out.values.push_back(sum / static_cast<double>(to - from));
  }
  return out;
}

}  // namespace wan
