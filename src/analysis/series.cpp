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

SampleSeries extremes_of(const SampleSeries& series, size_t most) {
  const size_t count = series.values.size();
  if (count <= most) return series;
  const size_t pieces = std::max<size_t>(1, most / 2), piece = (count + pieces - 1) / pieces;
  SampleSeries out{series.name, {}, {}, {}};
  const auto keep = [&](size_t i) {
    out.begin_ns.push_back(series.begin_ns[i]);
    out.end_ns.push_back(series.end_ns[i]);
    out.values.push_back(series.values[i]);
  };
  for (size_t from = 0; from < count; from += piece) {
    const auto begin = series.values.begin() + static_cast<std::ptrdiff_t>(from);
    const auto [least, largest] =
        std::minmax_element(begin, begin + static_cast<std::ptrdiff_t>(std::min(piece, count - from)));
    const auto [first, second] = std::minmax({least - series.values.begin(), largest - series.values.begin()});
    keep(static_cast<size_t>(first));
    if (*least != *largest) keep(static_cast<size_t>(second));
  }
  return out;
}

}  // namespace wan
