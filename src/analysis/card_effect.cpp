#include "analysis/card_effect.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace wan {
namespace {

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double squares_about(std::span<const double> values, double mean) {
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

}  // namespace

CardEffect card_effect(const std::vector<CardRuns>& cards, double confidence) {
  assert(!cards.empty());
  CardEffect out;
  out.cards = static_cast<int64_t>(cards.size());
  std::vector<double> card_means;
  std::map<std::string, std::vector<double>> by_node;
  double squares = 0, inverse_counts = 0;
  for (const CardRuns& card : cards) {
    assert(!card.values.empty());
    const double mean = mean_of(card.values);
    card_means.push_back(mean);
    by_node[card.node].push_back(mean);
    squares += squares_about(card.values, mean);
    inverse_counts += 1.0 / static_cast<double>(card.values.size());
    out.runs += static_cast<int64_t>(card.values.size());
  }
  out.nodes = static_cast<int64_t>(by_node.size());
  out.by_node = out.nodes < out.cards;
  std::vector<double> units = card_means;
  if (out.by_node) {
    units.clear();
    for (const auto& [node, means] : by_node) units.push_back(mean_of(means));
  }
  out.mean = mean_of(units);
  if (units.size() > 1) {
    const auto count = static_cast<double>(units.size());
    const double error = std::sqrt(squares_about(units, out.mean) / (count - 1) / count);
    const double half = student_t_quantile(0.5 * (1 + confidence), count - 1) * error;
    out.interval = Interval{out.mean - half, out.mean + half};
  }
  const int64_t degrees = out.runs - out.cards;
  if (degrees == 0) return out;
  const double within = squares / static_cast<double>(degrees);
  out.within_sd = std::sqrt(within);
  if (out.cards < 2) return out;
  const auto count = static_cast<double>(out.cards);
  const double of_means = squares_about(card_means, mean_of(card_means)) / (count - 1);
  out.between_sd = std::sqrt(std::max(0.0, of_means - within * inverse_counts / count));
  return out;
}

std::string card_effect_text(const CardEffect& effect) {
  std::string text = fmt::format(
      "runs of {} cards on {} node{} share this estimate, whose interval takes them for runs of one: the mean "
      "over cards is {:.4g} s",
      effect.cards, effect.nodes, effect.nodes == 1 ? "" : "s", effect.mean);
  if (effect.interval)
    text += fmt::format(" [{:.4g}, {:.4g}] (95 %, by {})", effect.interval->low, effect.interval->high,
                        effect.by_node ? "node" : "card");
  else
    text += ", without an interval, since all are of one node";
  const auto share = [&](double sd) { return fmt::format("{:.2g} %", 100 * sd / effect.mean); };
  if (effect.between_sd) text += fmt::format("; cards are {} apart beside their runs", share(*effect.between_sd));
  text += effect.within_sd ? fmt::format(", runs of one card {} (standard deviations)", share(*effect.within_sd))
                           : "; no card has two runs, so what is the cards' and what the runs' cannot be told";
  return text;
}

std::vector<CardRuns> runs_by_card(const std::vector<const RunRecord*>& runs) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> found;
  for (const RunRecord* run : runs) {
    const StageRecord* total = total_stage(*run);
    const std::string& host = run->system.host;
    const std::string& card = run->system.gpus.empty() ? host : run->system.gpus.front().uuid;
    if (total != nullptr && !card.empty()) found[{host, card}].push_back(static_cast<double>(total->wall_ns) * 1e-9);
  }
  std::vector<CardRuns> cards;
  for (auto& [name, values] : found) cards.push_back({name.first, name.second, std::move(values)});
  return cards;
}

}  // namespace wan
