#include "analysis/answer_text.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/compare_fidelity.h"
#include "analysis/plain_words.h"

namespace wan {
namespace {

/// As a person says it: three digits.
std::string spoken_seconds(double value) {
  return fmt::format("{:.{}f} s", value, value < 1 ? 2 : value < 100 ? 1 : 0);
}

std::string spoken_money(double value) {
  if (value >= 1) return fmt::format("{:.2f}", value);
  if (value < 1e-4) return fmt::format("{:.1g}", value);
  const int digits = value < 0.001 ? 5 : value < 0.01 ? 4 : value < 0.1 ? 3 : 2;
  return fmt::format("{:.{}f}", value, digits);
}

std::string counted(size_t n, std::string_view one) { return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s"); }

/// "5 runs each", "5 runs and 3", "single runs"
std::string runs_of(const AnswerBar& a, const AnswerBar& b) {
  const bool a_printed = a.sureness == Sureness::kPrinted, b_printed = b.sureness == Sureness::kPrinted;
  if (a_printed && b_printed) return "as printed";
  if (a_printed || b_printed)
    return fmt::format("{} and one printed value", counted((a_printed ? b : a).shown->counted, "run"));
  const size_t n = a.shown->counted, m = b.shown->counted;
  if (n == m) return n == 1 ? "single runs" : fmt::format("{} runs each", n);
  return fmt::format("{} and {}", counted(n, "run"), m);
}

/// "01_Speed_Preview, 1280x704, 161 frames, 5 steps"
std::string work_text(const AnswerBar& bar) {
  const Workload& work = bar.shown->example().workload;
  std::string text = bar.shown->title;
  if (work.width && work.height) text += fmt::format(", {}x{}", *work.width, *work.height);
  if (work.num_frames) text += fmt::format(", {} frames", *work.num_frames);
  if (work.steps) text += fmt::format(", {}", counted(static_cast<size_t>(*work.steps), "step"));
  if (!work.recipe.empty() && work.recipe != "official") text += ", recipe " + work.recipe;
  return text;
}

/// The bar that says most of the work: an imported one may leave fields out.
std::string work_text(const AnswerChart& chart) {
  std::string longest;
  for (const AnswerBar& bar : chart.bars) {
    const std::string text = work_text(bar);
    const bool is_own = bar.shown->example().engine.kind == EngineKind::kNative;
    if (longest.empty() || (is_own && bar.counts())) longest = text;
    if (is_own && bar.counts()) break;
  }
  return longest;
}

/// What a comparison is about.
enum class Part { kCard, kWhole };

double seconds_of(const AnswerBar& bar, Part part) {
  return part == Part::kCard ? bar.gpu_s.median() : bar.seconds.median();
}

/// Of first against second, over the runs that count.
RatioTest test_of(const AnswerBar& first, const AnswerBar& second, Part part) {
  const auto values = [part](const AnswerBar& bar) {
    std::vector<double> out;
    for (const RunRecord* run : bar.shown->summary.selection.used) {
      const Scopes parts = scopes(*run);
      const std::optional<int64_t> ns = part == Part::kCard ? parts.gpu_part_ns : parts.total_ns;
      if (ns) out.push_back(static_cast<double>(*ns) * 1e-9);
    }
    return out;
  };
  return compare_values(values(second), values(first));
}

/// The bars that count, by the part in question.
std::vector<const AnswerBar*> ranked(const AnswerChart& chart, Part part) {
  std::vector<const AnswerBar*> out;
  for (const AnswerBar& bar : chart.bars)
    if (bar.counts()) out.push_back(&bar);
  std::stable_sort(out.begin(), out.end(), [part](const AnswerBar* a, const AnswerBar* b) {
    return seconds_of(*a, part) < seconds_of(*b, part);
  });
  return out;
}

bool is_of_cards(const AnswerChart& chart) {
  return std::all_of(chart.bars.begin(), chart.bars.end(),
                     [](const AnswerBar& bar) { return bar.gpu_s.has() && bar.gpu_s.median() > 0; });
}

/// Two prices with as many digits as tell them apart, two to four.
std::pair<std::string, std::string> spoken_pair(double low, double high) {
  constexpr int kFewest = 2, kMost = 4;
  std::pair<std::string, std::string> out{spoken_money(low), spoken_money(high)};
  for (int digits = kFewest; out.first == out.second && digits <= kMost; ++digits)
    out = {fmt::format("{:.{}g}", low, digits), fmt::format("{:.{}g}", high, digits)};
  return out;
}

/// Whether the runs say that the first costs less: their intervals are apart.
bool is_apart(const Quantity& low, const Quantity& high) {
  const auto &a = low.estimate->interval, &b = high.estimate->interval;
  return a && b && a->high < b->low;
}

/// "; the H100 is cheaper at rental prices: 0.018 USD against 0.029"; empty where fewer than two prices are known.
/// Where the runs do not tell the prices apart it says both and no more.
std::string money_clause(const AnswerChart& chart) {
  std::vector<const AnswerBar*> priced;
  for (const AnswerBar& bar : chart.bars)
    if (bar.counts() && bar.money.has()) priced.push_back(&bar);
  if (priced.size() < 2) return "";
  std::stable_sort(priced.begin(), priced.end(),
                   [](const AnswerBar* a, const AnswerBar* b) { return a->money.median() < b->money.median(); });
  const AnswerBar &least = *priced[0], &next = *priced[1];
  const auto [low, high] = spoken_pair(least.money.median(), next.money.median());
  const auto counting =
      std::count_if(chart.bars.begin(), chart.bars.end(), [](const auto& bar) { return bar.counts(); });
  const bool all = std::ssize(priced) == counting;
  if (!is_apart(least.money, next.money))
    return fmt::format("; at rental prices {} {} with the {} and {} with the {}", low, least.currency, least.label,
                       high, next.label);
  const std::string of = all ? "" : "of those with a rental price ";
  const char* at = all ? " at rental prices" : "";
  if (priced.size() > 2)
    return fmt::format("; {}the {} is the cheapest{}: {} {}, then the {} with {}", of, least.label, at, low,
                       least.currency, next.label, high);
  return fmt::format("; {}the {} is cheaper{}: {} {} against {}{}", of, least.label, at, low, least.currency,
                     all ? "" : fmt::format("the {}'s ", next.label), high);
}

/// "the H100 and the H200 are equally fast on the card (1.00x, 5 runs each)"
std::string cards_verdict(const AnswerBar& first, const AnswerBar& second, Part part, size_t cards) {
  const RatioTest test = test_of(first, second, part);
  const char* where = part == Part::kCard ? " on the card" : "";
  const std::string of = cards > 2 ? fmt::format("of {} cards ", cards) : "";
  const std::string basis = fmt::format("({:.2f}x, {})", 1 / test.ratio, runs_of(first, second));
  switch (test.verdict) {
    case Verdict::kFaster:
      return cards > 2
                 ? fmt::format("{}the {} is the fastest{}, then the {} {}", of, first.label, where, second.label, basis)
                 : fmt::format("the {} is faster{} than the {} {}", first.label, where, second.label, basis);
    case Verdict::kSame:
      return fmt::format("{}the {} and the {} are {}equally fast{} {}", of, first.label, second.label,
                         cards > 2 ? "the fastest, " : "", where, basis);
    default:
      return fmt::format("{}the {} took {}{}, the {} {} {}, {} which is faster", of, first.label,
                         spoken_seconds(seconds_of(first, part)), where, second.label,
                         spoken_seconds(seconds_of(second, part)), basis, plain_verdict(test));
  }
}

/// "0.61 to 1.2 s": the unit once.
std::string span_text(std::string least, const std::string& most) {
  if (least == most) return least;
  const size_t least_unit = least.find(' '), most_unit = most.find(' ');
  if (least_unit != std::string::npos && least.substr(least_unit) == most.substr(most_unit)) least.resize(least_unit);
  return least + " to " + most;
}

/// "6.1 s with the H100, 10.3 s with the H200"; of many the least and the most.
std::string host_seconds(const AnswerChart& chart) {
  constexpr size_t kMostNamed = 3;
  std::vector<double> host;
  std::vector<std::string> named;
  for (const AnswerBar& bar : chart.bars) {
    host.push_back(bar.seconds.median() - bar.gpu_s.median());
    named.push_back(fmt::format("{} with the {}", spoken_seconds(host.back()), bar.label));
  }
  if (named.size() <= kMostNamed) return fmt::format("{}", fmt::join(named, ", "));
  const auto [least, most] = std::minmax_element(host.begin(), host.end());
  return span_text(spoken_seconds(*least), spoken_seconds(*most));
}

/// Where too few bars count to set them against each other.
std::string uncounted_sentence(const AnswerChart& chart) {
  std::vector<std::string> parts;
  for (const AnswerBar& bar : chart.bars)
    parts.push_back(fmt::format("{} with {}{}", spoken_seconds(bar.seconds.median()), bar.label,
                                bar.counts() ? "" : ", " + bar.doubt));
  return fmt::format("This video ({}) took {}: no verdict.", work_text(chart), fmt::join(parts, "; "));
}

void add_cards_sentence(AnswerChart& chart) {
  const Part part = is_of_cards(chart) ? Part::kCard : Part::kWhole;
  if (part == Part::kCard)
    chart.rest = fmt::format("The rest of the time is the host's: {}. That says nothing about the cards{}.",
                             host_seconds(chart), money_clause(chart).empty() ? "" : ", but is in the prices");
  const std::vector<const AnswerBar*> order = ranked(chart, part);
  if (order.size() < 2) {
    chart.sentence = uncounted_sentence(chart);
  } else if (!chart.notes.empty()) {
    chart.sentence = chart.bars.front().shown->title + " was not the same work on every card: no verdict.";
  } else {
    chart.verdict = fmt::format("For this video ({}) {}", work_text(chart),
                                cards_verdict(*order[0], *order[1], part, order.size()));
    chart.sentence = chart.verdict + money_clause(chart) + ".";
  }
}

/// "; fidelity: B against A 31.5 dB, velocity 3 % off" between other precision classes or recipes; else empty.
std::string fidelity_clause(const AnswerBar& first, const AnswerBar& second) {
  const CaseSummary &a = second.shown->summary, &b = first.shown->summary;
  const PairFidelity pair = fidelity_between(a, b, compare_workloads(*a.example, *b.example).different);
  if (!pair.is_asked) return "";
  if (pair.measured.empty()) return "; fidelity: not measured";
  std::vector<std::string> parts;
  for (const ComparedFidelity& one : pair.measured) {
    const bool is_of_first = one.of == ComparedFidelity::Side::kB;
    parts.push_back((is_of_first ? first : second).label + " " + measured_text(one.view));
  }
  return fmt::format("; fidelity: {}", fmt::join(parts, "; "));
}

/// Of programs, and of arms.
void add_sides_sentence(AnswerChart& chart, const ReportView& view) {
  if (is_of_cards(chart)) {
    std::vector<std::string> parts;
    for (const AnswerBar& bar : chart.bars)
      parts.push_back(fmt::format("{} with {}", spoken_seconds(bar.gpu_s.median()), bar.label));
    chart.rest = fmt::format("On the card alone: {}. The rest is work of the host.", fmt::join(parts, ", "));
  }
  const std::vector<const AnswerBar*> order = ranked(chart, Part::kWhole);
  if (order.size() < 2) {
    chart.sentence = uncounted_sentence(chart);
    return;
  }
  const AnswerBar &first = *order[0], &second = *order[1];
  const RatioTest test = test_of(first, second, Part::kWhole);
  std::string verdict = ": " + plain_verdict(test);
  if (!chart.notes.empty())
    verdict = ", but not of the same work";
  else if (test.verdict == Verdict::kFaster)
    verdict = fmt::format(": {} is faster", first.label);
  chart.sentence =
      fmt::format("For this video ({}) on the {}, {} takes {} and {} {} ({:.2f}x, {}){}{}.", work_text(chart),
                  card_name(view, first.shown->summary.group.device), first.label,
                  spoken_seconds(first.seconds.median()), second.label, spoken_seconds(second.seconds.median()),
                  1 / test.ratio, runs_of(first, second), verdict, fidelity_clause(first, second));
}

/// "measured while other programs ran" where all bars have that doubt; else that none counts.
std::string doubt_of(const AnswerChart& chart) {
  const std::string& doubt = chart.bars.front().doubt;
  if (doubt.empty()) return "";
  const bool is_of_all =
      std::all_of(chart.bars.begin(), chart.bars.end(), [&](const AnswerBar& bar) { return bar.doubt == doubt; });
  return is_of_all ? ", " + doubt : ", none of which counts";
}

/// Bars that count, of all where none does; without those that wrote no video where others did.
bool is_spoken_of(const AnswerChart& chart, const AnswerBar& bar) {
  const auto is_like_first = [&](const AnswerBar& one) { return one.counts() == chart.bars.front().counts(); };
  const bool any = std::any_of(chart.bars.begin(), chart.bars.end(),
                               [&](const AnswerBar& one) { return !one.wrote_no_video && is_like_first(one); });
  return is_like_first(bar) && !(any && bar.wrote_no_video);
}

/// The seconds of the bars that count, of all where none does: "0.61 to 1.2 s".
std::string range_of(const AnswerChart& chart, Quantity AnswerBar::*what,
                     const std::function<std::string(double)>& write) {
  std::vector<double> values;
  for (const AnswerBar& bar : chart.bars)
    if ((bar.*what).has() && is_spoken_of(chart, bar)) values.push_back((bar.*what).median());
  if (values.empty()) return "";
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return span_text(write(*least), write(*most));
}

void add_single_sentence(AnswerChart& chart, const ReportView& view) {
  const AnswerBar& bar = chart.bars.front();
  const RunGroup& group = bar.shown->summary.group;
  std::string facts = bar.counts() ? counted(bar.shown->counted, "run") : bar.doubt;
  if (bar.counts() && bar.shown->counted == 1) facts = to_string(bar.sureness);
  if (bar.money.has())
    facts += fmt::format("; {} {} at the rental price", spoken_money(bar.money.median()), bar.currency);
  chart.sentence =
      fmt::format("This video ({}) takes {} with {} on the {} ({}).", work_text(bar),
                  spoken_seconds(bar.seconds.median()), group.engine, card_name(view, group.device), facts);
  if (bar.gpu_s.has())
    chart.rest =
        fmt::format("Of it {} are on the card; the rest, {}, is the host's and says nothing about the card.",
                    spoken_seconds(bar.gpu_s.median()), spoken_seconds(bar.seconds.median() - bar.gpu_s.median()));
}

/// "2 cases ran out of memory, 1 case crashed"
std::string gaps_text(const std::vector<std::string>& words) {
  std::map<std::string, size_t> kinds;
  for (const std::string& each : words) ++kinds[each];
  std::vector<std::string> parts;
  for (const auto& [kind, count] : kinds) parts.push_back(fmt::format("{} {}", counted(count, "case"), kind));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void add_cases_sentence(AnswerChart& chart, const ReportView& view) {
  if (chart.bars.size() == 1) {
    add_single_sentence(chart, view);
    return;
  }
  const RunGroup& group = chart.bars.front().shown->summary.group;
  const std::string money = range_of(chart, &AnswerBar::money, spoken_money);
  const auto spoken_of = static_cast<size_t>(
      std::count_if(chart.bars.begin(), chart.bars.end(), [&](const auto& bar) { return is_spoken_of(chart, bar); }));
  chart.sentence = fmt::format(
      "{} makes the videos of {} on the {} in {} each{}{}.", group.engine, counted(spoken_of, "case"),
      card_name(view, group.device), range_of(chart, &AnswerBar::seconds, spoken_seconds), doubt_of(chart),
      money.empty() ? "" : fmt::format("; at the rental price for {} {}", money, chart.bars.front().currency));
  if (is_of_cards(chart))
    chart.rest = fmt::format("Of that the card computes {}; the rest is the host's and says nothing about the card.",
                             range_of(chart, &AnswerBar::gpu_s, spoken_seconds));
}

/// "Fidelity is measured of 2 of 5 cases." where the cases are of several precision classes or recipes, or some are
/// judged; else empty.
std::string judged_cases(const AnswerChart& chart) {
  std::set<std::string> settings;
  size_t measured = 0;
  for (const AnswerBar& bar : chart.bars) {
    const Workload& work = bar.shown->example().workload;
    const bool is_official = same_recipe(work.recipe, "");
    if (work.precision_class != PrecisionClass::kUnknown)
      settings.insert(fmt::format("{} {}", to_string(work.precision_class), is_official ? "" : work.recipe));
    if (!bar.shown->fidelity.empty()) ++measured;
  }
  if (measured > 0)
    return fmt::format("Fidelity is measured of {} of {}.", measured, counted(chart.bars.size(), "case"));
  return settings.size() > 1 ? "The cases are of several precision classes or recipes; their fidelity is not measured."
                             : "";
}

/// "Of its 51 runs 50 gave no video." of the cases that gave one; empty where every run did.
std::string failed_runs(const AnswerChart& chart) {
  size_t failed = 0, all = 0;
  for (const AnswerBar& bar : chart.bars)
    for (const RunRecord* run : bar.shown->summary.group.runs) {
      if (run->run_case.warmup) continue;
      ++all;
      failed += run->status == RunStatus::kOk ? 0 : 1;
    }
  return failed == 0 ? "" : fmt::format("Of {} behind this {} gave no video.", counted(all, "run"), failed);
}

}  // namespace

void add_sentences(AnswerChart& chart, const ReportView& view) {
  switch (chart.of) {
    case ChartOf::kCards: add_cards_sentence(chart); break;
    case ChartOf::kArms:
    case ChartOf::kPrograms: add_sides_sentence(chart, view); break;
    case ChartOf::kCases: add_cases_sentence(chart, view); break;
  }
  const auto add = [&](const std::string& text) { chart.rest += (chart.rest.empty() ? "" : " ") + text; };
  if (const std::string judged = judged_cases(chart); chart.of == ChartOf::kCases && !judged.empty()) add(judged);
  if (const std::string failed = failed_runs(chart); !failed.empty()) add(failed);
  if (chart.gaps.empty()) return;
  std::vector<std::string> words;
  for (const AnswerGap& gap : chart.gaps) words.push_back(gap.words);
  add(fmt::format("No video: {}.", gaps_text(words)));
}

void add_elsewhere(AnswerChart& chart, const ReportView& view) {
  std::vector<std::string> words;
  for (const CaseView& shown : view.cases) {
    const auto is_here = [&](const auto& one) { return one.shown == &shown; };
    if (shown.status() == RunStatus::kOk || std::any_of(chart.gaps.begin(), chart.gaps.end(), is_here)) continue;
    if (std::any_of(chart.bars.begin(), chart.bars.end(), is_here)) continue;
    words.push_back(plain_status(shown.status()) + " on the " + card_name(view, shown.summary.group.device));
  }
  if (!words.empty()) chart.rest += fmt::format("{}Elsewhere: {}.", chart.rest.empty() ? "" : " ", gaps_text(words));
}

std::string example_sentence(const AnswerChart& chart) {
  const bool is_one = chart.bars.size() == 1;
  return fmt::format("The example video{} took {}{} on this computer{}.", is_one ? "" : "s",
                     range_of(chart, &AnswerBar::seconds, spoken_seconds), is_one ? "" : " each", doubt_of(chart));
}

std::string failures_sentence(const ReportView& view) {
  std::vector<std::string> words;
  for (const CaseView& shown : view.cases)
    words.push_back(shown.status() == RunStatus::kOk ? "gave no result" : plain_status(shown.status()));
  if (words.empty()) return "There is no run to report.";
  return fmt::format("No run gave a video: {}.", gaps_text(words));
}

}  // namespace wan
