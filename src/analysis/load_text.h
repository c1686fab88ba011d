// A load test in words, the same on the terminal and in reports.
#pragma once

#include <string>
#include <vector>

#include "analysis/load.h"

namespace wan {

/// "load of http://... by the adapter videos (never run against the real server): MODEL, SERVER, 832x480, ..."
std::string load_head(const LoadTest& test);

/// "1.23 [1.10, 1.40]"; an end that is not known is a dash; without both the value alone.
std::string with_interval(double value, const LooseInterval& interval, int decimals);

/// How queue and service of most videos came apart.
std::string start_words(StartKnown known, double poll_s);

/// Quantiles with their intervals, the objective, energy, price, failures: a sentence each.
std::vector<std::string> load_sentences(const LoadSummary& level, const LoadTest& test);

/// What holds for all levels: the most videos an hour, power without work, what is not told.
std::vector<std::string> load_notes(const LoadTest& test, const std::vector<LoadSummary>& levels);

}  // namespace wan
