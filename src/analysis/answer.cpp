#include "analysis/answer.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/answer_text.h"
#include "analysis/fidelity_text.h"
#include "analysis/plain_words.h"
#include "base/memory_size.h"

namespace wan {
namespace {

constexpr std::string_view kExampleSuite = "quick";  // of `wanbench run` without a suite
constexpr const char* kLimit = "GPU memory limit";
constexpr size_t kShortDate = 10;  // of an ISO time: the day

Quantity scaled(const Quantity& quantity, double factor) {
  Quantity out = quantity;
  if (!out.has()) return out;
  const auto scale = [factor](Interval& interval) { interval = {interval.low * factor, interval.high * factor}; };
  out.estimate->median *= factor;
  if (out.estimate->interval) scale(*out.estimate->interval);
  if (out.estimate->extremes) scale(out.estimate->extremes->interval);
  return out;
}

/// Of the whole time: a card is paid while the host works.
Quantity money_of(const CaseView& shown) {
  const Quantity& total = shown.numbers().total_s;
  if (shown.buyer.cost && total.has() && total.median() > 0) {
    Quantity out = scaled(total, shown.buyer.cost->money / total.median());
    out.source = shown.buyer.cost->source;
    return out;
  }
  Quantity none;
  none.reason = shown.buyer.no_cost_reason;
  return none;
}

enum class Remarks { kAll, kNews };

/// Flags of the runs that count, in words. Those of nearly every long run on a card are no news.
std::vector<std::string> remarks_of(const CaseView& shown, Remarks remarks) {
  static const std::set<std::string_view> kUsual = {"drift", "software_power_cap", "traced"};
  std::set<std::string> words;
  for (const RunRecord* run : shown.summary.selection.used)
    for (const ValidityFlag& flag : run->validity)
      if (remarks == Remarks::kAll || !kUsual.contains(flag.name)) words.insert(plain_flag(flag.name));
  return {words.begin(), words.end()};
}

std::string words_of(const FidelityCell& cell) {
  return cell.text.empty() ? fmt::format("not measured: {}", cell.why_none) : cell.text;
}

AnswerBar bar_of(const CaseView& shown, std::string label) {
  const CaseSummary& numbers = shown.numbers();
  const RunRecord& run = shown.example();
  AnswerBar bar;
  bar.shown = &shown;
  bar.label = std::move(label);
  bar.sureness = sureness_of(shown);
  if (shown.failed) bar.doubt = plain_reason(shown.failed->reason);
  bar.remarks = remarks_of(shown, Remarks::kAll);
  if (bar.counts()) bar.warning = fmt::format("{}", fmt::join(remarks_of(shown, Remarks::kNews), "; "));
  if (!shown.refuted.empty()) bar.warning += (bar.warning.empty() ? "" : "; ") + shown.refuted;
  bar.seconds = numbers.total_s;
  if (shown.on_gpu) bar.gpu_s = numbers.gpu_part_s;
  bar.money = money_of(shown);
  bar.currency = shown.price != nullptr ? shown.price->currency : "USD";
  bar.energy_wh = shown.buyer.energy_wh;
  bar.date = run.created_utc.substr(0, kShortDate);
  if (shown.on_gpu) bar.driver = run.system.gpus.front().driver;
  if (shown.fidelity_cell) bar.fidelity = words_of(*shown.fidelity_cell);
  return bar;
}

bool gave_video(const CaseView& shown) { return shown.has_result() && shown.status() == RunStatus::kOk; }

std::string words_of_failure(const CaseView& shown) {
  return shown.status() == RunStatus::kOk ? plain_reason(shown.doubt()) : plain_status(shown.status());
}

/// One place of a chart, before it is a bar or a gap.
struct Candidate {
  const CaseView* shown;
  std::string label;
};

/// A chart of cases names what differs by their titles, and says only what they share.
void share_facts(AnswerChart& chart) {
  std::vector<std::vector<Fact>> facts;
  for (const AnswerBar& bar : chart.bars) facts.push_back(facts_of(*bar.shown));
  for (size_t i = 0; i < facts.front().size(); ++i) {
    const Fact& first = facts.front()[i];
    const auto of_all = [&](auto holds) {
      return std::all_of(facts.begin(), facts.end(), [&](const std::vector<Fact>& each) { return holds(each[i]); });
    };
    if (!of_all([](const Fact& fact) { return !fact.value.empty(); })) continue;
    if (of_all([&](const Fact& fact) { return fact == first; }))
      chart.shared.push_back(first);
    else if (chart.of != ChartOf::kCases)
      for (size_t b = 0; b < facts.size(); ++b) chart.bars[b].facts.push_back(facts[b][i]);
  }
}

Fact limit_of(const AnswerBar& bar) {
  const auto found =
      std::find_if(bar.facts.begin(), bar.facts.end(), [](const Fact& fact) { return fact.name == kLimit; });
  return found == bar.facts.end() ? Fact{} : *found;
}

/// Of cards and programs: where a bar's work is not that of the first one. What one side does not say is no difference.
void note_differences(AnswerChart& chart) {
  constexpr size_t kMost = 3;
  const AnswerBar& first = chart.bars.front();
  for (const AnswerBar& bar : chart.bars) {
    auto fields = compare_workloads(first.shown->example(), bar.shown->example()).different;
    std::erase_if(fields, [](const FieldDifference& field) { return field.a == "-" || field.b == "-"; });
    std::vector<std::string> texts;
    for (size_t i = 0; i < std::min(kMost, fields.size()); ++i)
      texts.push_back(fmt::format("{} {}, with {} {}", fields[i].field, fields[i].b, first.label, fields[i].a));
    for (const Fact& fact : bar.facts)
      if (fact.name == kLimit && fact != limit_of(first))
        chart.notes.push_back(fmt::format("{} ran within another limit of GPU memory: {}, {} {}", bar.label, fact.value,
                                          first.label, limit_of(first).value));
    if (!texts.empty())
      chart.notes.push_back(fmt::format("{} did not do the same work: {}{}", bar.label, fmt::join(texts, "; "),
                                        fields.size() > kMost ? ", and more" : ""));
  }
}

/// Whether it left no video file where other cases did, which takes less; its title may say so already.
bool wrote_less(const CaseView& shown, const ReportView& view) {
  const RunGroup& group = shown.summary.group;
  const auto wrote = [](const CaseView& one) {
    return !one.summary.group.output.empty() && one.summary.group.output != "none";
  };
  return group.output == "none" && !group.has_both_outputs && std::any_of(view.cases.begin(), view.cases.end(), wrote);
}

/// Nothing where nothing gave a video.
std::optional<AnswerChart> chart_of(ChartOf of, std::string name, const std::vector<Candidate>& candidates,
                                    const ReportView& view) {
  AnswerChart chart;
  chart.of = of;
  chart.name = std::move(name);
  for (const Candidate& candidate : candidates) {
    if (gave_video(*candidate.shown)) {
      AnswerBar& bar = chart.bars.emplace_back(bar_of(*candidate.shown, candidate.label));
      bar.wrote_no_video = of == ChartOf::kCases && wrote_less(*candidate.shown, view);
      if (bar.wrote_no_video) bar.label += " (wrote no video)";
    } else
      chart.gaps.push_back({candidate.shown, candidate.label, words_of_failure(*candidate.shown)});
  }
  if (chart.bars.empty()) return std::nullopt;
  std::stable_sort(chart.bars.begin(), chart.bars.end(), [](const AnswerBar& a, const AnswerBar& b) {
    return std::make_tuple(!a.counts(), a.seconds.median()) < std::make_tuple(!b.counts(), b.seconds.median());
  });
  share_facts(chart);
  if (of != ChartOf::kCases) note_differences(chart);
  add_sentences(chart, view);
  return chart;
}

/// How many cases of the row have the name of this one.
long named_so(const CardRowView& row, const CaseView& shown) {
  long count = 0;
  for (const auto& cell : row.cells)
    count += std::count_if(cell.begin(), cell.end(), [&](const CardEntry& entry) {
      return entry.shown->summary.group.case_name == shown.summary.group.case_name;
    });
  return count;
}

/// The row on the machines that `belongs` picks, each named by `label`. Of several cases of one machine the first of
/// those that most runs count of. Without those that wrote no video where others of the row did: that is less work.
template <class Belongs, class Label>
std::vector<Candidate> across(const CardRowView& row, const CardsView& cards, Belongs belongs, Label label) {
  std::vector<Candidate> out;
  for (size_t m = 0; m < cards.machines.size(); ++m) {
    if (!belongs(cards.machines[m])) continue;
    const CaseView* best = nullptr;
    const auto rank = [&](const CaseView& shown) { return std::make_pair(shown.counted, named_so(row, shown)); };
    for (const CardEntry& entry : row.cells[m])
      if (!entry.without_video && (best == nullptr || rank(*entry.shown) > rank(*best))) best = entry.shown;
    if (best != nullptr) out.push_back({best, label(cards.machines[m])});
  }
  return out;
}

/// How many devices or programs have a bar.
template <class Of>
size_t different(const AnswerChart& chart, Of of) {
  std::set<std::string> seen;
  for (const AnswerBar& bar : chart.bars) seen.insert(of(bar.shown->summary.group));
  return seen.size();
}
const std::string& device_of(const RunGroup& group) { return group.device; }
const std::string& engine_of(const RunGroup& group) { return group.engine; }
const std::string& arm_of(const RunGroup& group) { return group.arm; }

/// The title of a case in an arm, which it ends with.
std::string without_arm(const CaseView& shown) {
  const std::string suffix = " [" + shown.summary.group.arm + "]";
  return shown.title.ends_with(suffix) ? shown.title.substr(0, shown.title.size() - suffix.size()) : shown.title;
}

std::vector<AnswerChart> charts_of(const ReportView& view) {
  const CardsView& cards = view.cards;
  std::vector<AnswerChart> charts;
  const auto add = [&](std::optional<AnswerChart> chart, auto of) {
    if (chart && different(*chart, of) > 1) charts.push_back(std::move(*chart));
  };
  std::vector<Machine> programs, devices;  // the first machine of each
  for (const Machine& machine : cards.machines) {
    const auto has = [&](const std::vector<Machine>& list, auto same) {
      return std::any_of(list.begin(), list.end(), same);
    };
    if (!has(programs, [&](const Machine& m) { return m.engine == machine.engine && m.kind == machine.kind; }))
      programs.push_back(machine);
    if (!has(devices, [&](const Machine& m) { return m.device == machine.device; })) devices.push_back(machine);
  }
  for (const CardRowView& row : cards.rows) {
    for (const Machine& program : programs)
      add(chart_of(
              ChartOf::kCards, row.name + ", " + program.engine,
              across(
                  row, cards, [&](const Machine& m) { return m.engine == program.engine && m.kind == program.kind; },
                  [&](const Machine& m) { return card_name(view, m.device); }),
              view),
          device_of);
    for (const Machine& device : devices)
      add(chart_of(ChartOf::kPrograms, row.name + ", " + card_name(view, device.device),
                   across(
                       row, cards, [&](const Machine& m) { return m.device == device.device; },
                       [](const Machine& m) { return m.engine; }),
                   view),
          engine_of);
  }
  for (size_t m = 0; m < cards.machines.size(); ++m) {
    std::vector<Candidate> all;
    std::map<std::string, std::vector<Candidate>> arms;  // by what the arms have in common
    for (const CardRowView& row : cards.rows)
      for (const CardEntry& entry : row.cells[m]) {
        all.push_back({entry.shown, entry.shown->title});
        const std::string& arm = entry.shown->summary.group.arm;
        if (!arm.empty()) arms[without_arm(*entry.shown)].push_back({entry.shown, arm});
      }
    const Machine& machine = cards.machines[m];
    for (const auto& [name, candidates] : arms)
      add(chart_of(ChartOf::kArms, fmt::format("{}, {}, {}", name, card_name(view, machine.device), machine.engine),
                   candidates, view),
          arm_of);
    if (auto chart = chart_of(ChartOf::kCases, card_name(view, machine.device) + ", " + machine.engine, all, view))
      charts.push_back(std::move(*chart));
  }
  return charts;
}

/// The larger, the more a chart says to a buyer: arms, which somebody set apart on purpose, before cards before
/// programs before cases; then those with two that count, our own program, many bars, many runs of the bar that has
/// fewest, warm.
auto worth(const AnswerChart& chart) {
  const CaseView& first = *chart.bars.front().shown;
  size_t fewest = chart.bars.front().shown->counted, all = 0;
  long counted = 0;
  for (const AnswerBar& bar : chart.bars) {
    counted += bar.counts() ? 1 : 0;
    all += bar.shown->counted;
    fewest = std::min(fewest, bar.shown->counted);
  }
  const int kind = -static_cast<int>(chart.of);
  return std::make_tuple(kind, counted > 1, first.example().engine.kind == EngineKind::kNative, chart.bars.size(),
                         fewest, first.example().workload.scope == RunScope::kWarm, all);
}

std::string stored_as(const RunRecord& run) {
  if (!run.execution.has()) return {};
  const auto& stored = run.execution.value->stored;
  const auto dit =
      std::find_if(stored.begin(), stored.end(), [](const auto& part) { return part.first.starts_with("dit"); });
  return dit == stored.end() ? std::string() : dit->second;
}

template <class T>
std::string text_of_optional(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : std::string();
}

}  // namespace

std::string_view to_string(Sureness sureness) {
  switch (sureness) {
    case Sureness::kSolid: return "solid";
    case Sureness::kFair: return "fair";
    case Sureness::kSingleRun: return "single run";
    case Sureness::kPrinted: return "printed by another program";
    case Sureness::kDoubtful: break;
  }
  return "does not count";
}

std::string_view to_string(ChartOf of) {
  switch (of) {
    case ChartOf::kArms: return "arms";
    case ChartOf::kCards: return "cards";
    case ChartOf::kPrograms: return "programs";
    case ChartOf::kCases: break;
  }
  return "cases";
}

Sureness sureness_of(const CaseView& shown) {
  if (shown.failed || !shown.has_result()) return Sureness::kDoubtful;
  if (shown.example().engine.kind == EngineKind::kImported) return Sureness::kPrinted;
  if (shown.counted < 2) return Sureness::kSingleRun;
  const Estimate& total = *shown.summary.total_s.estimate;
  const bool is_narrow =
      total.interval && (total.interval->high - total.interval->low) / 2 <= kSolidHalfWidth * total.median;
  return shown.counted >= kSolidRuns && shown.summary.converged && is_narrow ? Sureness::kSolid : Sureness::kFair;
}

std::vector<Fact> facts_of(const CaseView& shown) {
  const RunRecord& run = shown.example();
  const Workload& work = run.workload;
  const bool known = run.execution.has();
  const auto dtype = work.dtypes.find("dit");
  return {{"Model", work.model},
          {"Size", work.width && work.height ? fmt::format("{}x{}", *work.width, *work.height) : ""},
          {"Frames", text_of_optional(work.num_frames)},
          {"Steps", text_of_optional(work.steps)},
          {"Recipe", work.recipe},
          {"Computed in", dtype == work.dtypes.end() ? "" : dtype->second},
          {"Stored as", stored_as(run)},
          {"LoRAs", loras_text(work)},
          {"Weights", known ? run.execution.value->residency : work.offload},
          {kLimit, !known ? ""
                   : run.execution.value->gpu_memory_limit_bytes
                       ? MemorySize{*run.execution.value->gpu_memory_limit_bytes}.text()
                       : "none"},
          {"Text encoded on", work.text_encoder_device},
          {"Run", work.scope == RunScope::kUnknown ? "" : std::string(to_string(work.scope))}};
}

std::string card_name(const ReportView& view, const std::string& device) {
  std::map<std::string, std::set<std::string>> devices;  // by the name in the table of cards
  std::string name;
  for (const CaseView& shown : view.cases) {
    if (shown.peak == nullptr || !shown.on_gpu) continue;
    const std::string& full = shown.summary.group.device;
    devices[shown.peak->match].insert(full);
    if (full == device) name = shown.peak->match;
  }
  const bool is_one = std::all_of(view.cases.begin(), view.cases.end(), [&](const CaseView& shown) {
    return shown.summary.group.device != device || shown.example().system.gpus.size() < 2;
  });
  if (is_one && !name.empty() && devices[name].size() == 1) return name;
  constexpr std::string_view kVendor = "NVIDIA ";
  return device.starts_with(kVendor) ? device.substr(kVendor.size()) : device;
}

Answer answer_of(const ReportView& view) {
  Answer out;
  out.charts = charts_of(view);
  if (out.charts.empty()) {
    out.sentence = failures_sentence(view);
    return out;
  }
  std::stable_sort(out.charts.begin(), out.charts.end(),
                   [](const AnswerChart& a, const AnswerChart& b) { return worth(a) > worth(b); });
  AnswerChart& first = out.charts.front();
  out.is_example = std::all_of(view.cases.begin(), view.cases.end(), [](const CaseView& shown) {
    return !shown.on_gpu && shown.example().run_case.suite == kExampleSuite;
  });
  if (out.is_example && first.of == ChartOf::kCases) first.sentence = example_sentence(first);
  add_elsewhere(first, view);
  out.sentence = first.sentence;
  out.rest = first.rest;
  return out;
}

}  // namespace wan
