// The sentences of an answer. Internal to analysis.
#pragma once

#include <string>

#include "analysis/answer.h"

namespace wan {

/// Fills the chart's sentence and its second line from its bars and gaps.
void add_sentences(AnswerChart& chart, const ReportView& view);

/// Adds to the second line what gave no video on machines that the chart does not show.
void add_elsewhere(AnswerChart& chart, const ReportView& view);

/// "The example videos took 0.61 to 1.2 s each on this computer, measured while other programs ran."
std::string example_sentence(const AnswerChart& chart);

/// What became of cases none of which gave a video: "No run gave a video: 2 cases ran out of memory, 1 case crashed."
std::string failures_sentence(const ReportView& view);

}  // namespace wan
