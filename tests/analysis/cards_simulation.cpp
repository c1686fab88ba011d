// Whether the interval for the mean over cards holds what it states: folders of records as nodes with cards would write
// them, with known effects of node, card and run, a thousand times each; the share of intervals that cover the truth
// must be within three standard errors of 95 %. Usage: cards_simulation [--write DIR]: one such folder, for
// `report`.
#include <cmath>
#include <cstdio>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "analysis/card_effect.h"
#include "results/store.h"
#include "runs.h"

namespace wan {
namespace {

constexpr double kStated = 0.95;
constexpr int kTimes = 1000;
constexpr double kTruth = 40;  // seconds

struct Scene {
  const char* name;
  int nodes = 20, cards = 3, runs = 5;
  double node_sd = 0, card_sd = 0.4, run_sd = 0.2;  // seconds
  double lost = 0;                                  // share of the runs that left no times
  bool by_estimate_of_runs = false;                 // as if all runs were of one card: must not hold
};

std::vector<RunRecord> records_of(const Scene& scene, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  std::vector<RunRecord> records;
  RunRecord like = synthetic_run({1});
  like.stages.resize(1);  // the total alone
  for (int node = 0; node < scene.nodes; ++node) {
    const double of_node = scene.node_sd * normal(random);
    for (int card = 0; card < scene.cards; ++card) {
      const double of_card = scene.card_sd * normal(random);
      for (int run = 0; run < scene.runs; ++run) {
        const double seconds = kTruth + of_node + of_card + scene.run_sd * normal(random);
        if (run > 0 && uniform(random) < scene.lost) continue;
        RunRecord record = like;
        record.id.clear();
        record.run_case.repeat = static_cast<int64_t>(records.size());
        record.system.host = fmt::format("node{}", node);
        record.system.gpus[0].uuid = fmt::format("GPU-{}-{}", node, card);
        record.stages[0].wall_ns = std::llround(seconds * 1e9);
        records.push_back(std::move(record));
      }
    }
  }
  return records;
}

bool covers(const Scene& scene, std::mt19937_64& random) {
  const std::vector<RunRecord> records = records_of(scene, random);
  std::vector<CardRuns> cards = runs_by_card(pointers_to(records));
  if (scene.by_estimate_of_runs) {
    std::vector<CardRuns> runs;
    for (const CardRuns& card : cards)
      for (const double value : card.values)
        runs.push_back({std::to_string(runs.size()), std::to_string(runs.size()), {value}});
    cards = std::move(runs);
  }
  const Interval interval = *card_effect(cards, kStated).interval;
  return interval.low <= kTruth && kTruth <= interval.high;
}

bool holds(const Scene& scene) {
  std::mt19937_64 random(20);
  int covered = 0;
  for (int i = 0; i < kTimes; ++i) covered += covers(scene, random) ? 1 : 0;
  const double share = double(covered) / kTimes, allowed = 3 * std::sqrt(kStated * (1 - kStated) / kTimes);
  const bool good = scene.by_estimate_of_runs ? share < kStated - allowed : std::abs(share - kStated) <= allowed;
  fmt::print("{:46} {:5.1f} % of {} intervals cover the truth: {}\n", scene.name, 100 * share, kTimes,
             good ? "as expected" : "NOT as expected");
  return good;
}

}  // namespace
}  // namespace wan

int main(int argc, char** argv) {
  using namespace wan;
  if (argc == 3 && std::string_view(argv[1]) == "--write") {
    std::mt19937_64 random(20);
    for (RunRecord& record : records_of({"", 20, 3, 5, 0.3}, random)) store_record(argv[2], record);
    return 0;
  }
  bool good = true;
  for (const Scene& scene :
       {Scene{"20 nodes x 3 cards x 5 runs", 20, 3, 5}, Scene{"the same, nodes differ as well", 20, 3, 5, 0.3},
        Scene{"the same, a third of the runs lost", 20, 3, 5, 0.3, 0.4, 0.2, 0.33},
        Scene{"the same, all cards alike", 20, 3, 5, 0, 0}, Scene{"6 nodes x 1 card x 3 runs", 6, 1, 3},
        Scene{"runs taken for independent: must cover less", 20, 3, 5, 0.3, 0.4, 0.2, 0, true}})
    good &= holds(scene);
  return good ? 0 : 1;
}
