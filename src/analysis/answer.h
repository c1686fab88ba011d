// What somebody who wants to buy a card asks of a set of records: one sentence, and bars to see it. A chart holds one
// program and one case on several cards, several programs with one case on one card, one program with one case on one
// card in several arms, or one program on one card with all its cases. Card and program never change together.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/report_view.h"

namespace wan {

/// How sure a bar's seconds are, in a buyer's words. docs/method.md has the same definition.
enum class Sureness {
  kSolid,      // kSolidRuns or more count, they converged, and the interval is within kSolidHalfWidth
  kFair,       // two or more count
  kSingleRun,  // one counts
  kPrinted,    // read from another program's report
  kDoubtful,   // no run counts
};
inline constexpr size_t kSolidRuns = 5;
inline constexpr double kSolidHalfWidth = 0.05;  // half the interval of the total, of its median
/// "solid", "fair", "single run", "printed by another program", "does not count"
std::string_view to_string(Sureness sureness);
Sureness sureness_of(const CaseView& shown);

/// One thing that is known of a case's work or of how it was executed.
struct Fact {
  std::string name, value;  // "Size", "1280x704"
  bool operator==(const Fact&) const = default;
};

struct AnswerBar {
  const CaseView* shown = nullptr;
  std::string label;  // what tells it from the others of its chart
  Sureness sureness = Sureness::kDoubtful;
  std::string doubt;                 // why no run counts, in words; empty: runs count
  std::vector<std::string> remarks;  // of flags of runs that count all the same
  std::string warning;               // the remarks that a buyer should see beside the value
  Quantity seconds, gpu_s;           // the whole, and of it what the card computes
  Quantity money, energy_wh;
  std::string currency, date, driver;  // of the value; empty: not recorded
  std::vector<Fact> facts;             // known of all bars, in which they differ; none in a chart of cases
  std::string fidelity;                // what its picture is worth, or why that is not known; empty: not in question
  bool wrote_no_video = false;         // where others of its chart wrote one, which takes longer
  bool counts() const { return doubt.empty(); }
};

/// A case that gave no video.
struct AnswerGap {
  const CaseView* shown = nullptr;
  std::string label, words;  // "ran out of memory"
};

enum class ChartOf { kArms, kCards, kPrograms, kCases };
std::string_view to_string(ChartOf of);  // "arms", "cards", "programs", "cases"

struct AnswerChart {
  ChartOf of = ChartOf::kCases;
  std::string name;             // what all bars have in common: "01_Speed_Preview (warm), wanbench"
  std::vector<AnswerBar> bars;  // those that count first, of them the fastest; not empty
  std::vector<AnswerGap> gaps;
  std::vector<Fact> shared;        // what is known of all bars and equal
  std::vector<std::string> notes;  // where the work of the bars is not the same
  std::string sentence;
  std::string verdict;  // of cards: the sentence without prices and its full stop; else empty
  std::string rest;     // the second line: what is the host's, and how many cases gave no video
};

struct Answer {
  std::vector<AnswerChart> charts;  // first the one to show; none where nothing gave a video
  std::string sentence, rest;       // of that chart, or what failed
  bool is_example = false;          // the program's own videos, made on a CPU
};

/// Points into the view, which must outlive the result.
Answer answer_of(const ReportView& view);

/// Every fact of a case, always the same names in the same order; a value may be empty.
std::vector<Fact> facts_of(const CaseView& shown);

/// What a person calls the device: "H100" of "NVIDIA H100 80GB HBM3" where no other card of the view is called so.
std::string card_name(const ReportView& view, const std::string& device);

}  // namespace wan
