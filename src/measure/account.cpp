#include "measure/account.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "measure/stage_values.h"
#include "results/stage_names.h"

namespace wan::measure {
namespace {

Interval interval_of(const StageSpan& span) { return {span.begin_ns, span.end_ns}; }

std::vector<StageSpan> leaves_in_order(const RunTimeline& timeline) {
  std::vector<StageSpan> leaves;
  std::copy_if(timeline.spans.begin(), timeline.spans.end(), std::back_inserter(leaves),
               [](const StageSpan& span) { return span.is_leaf(); });
  std::stable_sort(leaves.begin(), leaves.end(),
                   [](const StageSpan& a, const StageSpan& b) { return a.begin_ns < b.begin_ns; });
  return leaves;
}

/// What no leaf covers, within the whole.
std::vector<Interval> gaps(const Interval& total, const std::vector<StageSpan>& leaves) {
  std::vector<Interval> result;
  int64_t covered_to = total.begin_ns;
  for (const StageSpan& leaf : leaves) {
    if (leaf.begin_ns > covered_to) result.push_back({covered_to, leaf.begin_ns});
    covered_to = std::max(covered_to, leaf.end_ns);
  }
  if (total.end_ns > covered_to) result.push_back({covered_to, total.end_ns});
  return result;
}

StageRecord describe(const StageSpan& span, const RunTimeline& timeline, const Readings& readings) {
  StageRecord stage;
  const std::string& leaf = span.stage.name;
  stage.name = span.component.empty() ? leaf : span.component;
  stage.id = span.component.empty() ? leaf : leaf + "/" + span.component;
  stage.parent = span.component.empty() ? kTotalName : leaf;
  stage.role = span.stage.role;
  stage.index = span.stage.index;
  stage.expert = span.stage.expert;
  stage.kind = span.hidden ? StageKind::kHidden : span.component.empty() ? StageKind::kLeaf : StageKind::kComponent;
  stage.wall_ns = span.length_ns();
  stage.begin_ns = measured(span.begin_ns - timeline.total.begin_ns, timeline.span_source);
  stage.moved_bytes = span.bytes > 0 ? measured(span.bytes, "engine") : absent<uint64_t>("not_reported_by_the_engine");
  stage.flops = span.flops > 0 ? measured(span.flops, "engine") : absent<double>("not_reported_by_the_engine");
  const auto device_time = [&](const std::optional<int64_t>& told) {
    return told ? measured(*told, "device_event") : absent<int64_t>(no_device_time(readings));
  };
  stage.gpu_ns = device_time(span.gpu_ns);
  stage.exposed_copy_ns = device_time(span.exposed_copy_ns);
  stage.hidden_copy_ns = device_time(span.hidden_copy_ns);
  if (span.cut_off) stage.flags.push_back("cut_off");
  return stage;
}

/// Ids are unique in a record; a part that comes in several pieces is numbered from the second on.
void make_unique(std::vector<StageRecord>& stages) {
  std::map<std::string, int> seen;
  std::set<std::string> taken;
  for (StageRecord& stage : stages) {
    int times = ++seen[stage.id];
    std::string id = times > 1 ? fmt::format("{}#{}", stage.id, times) : stage.id;
    // A program may call a stage "a#2" by itself.
    while (!taken.insert(id).second) id = fmt::format("{}#{}", stage.id, times = ++seen[stage.id]);
    stage.id = std::move(id);
  }
}

StageRecord unattributed(const RunTimeline& timeline, const std::vector<StageSpan>& leaves, const Readings& readings) {
  StageRecord stage;
  stage.id = stage.name = kUnattributedName;
  stage.parent = kTotalName;
  int64_t leaf_ns = 0;
  for (const StageSpan& leaf : leaves) leaf_ns += leaf.length_ns();
  stage.wall_ns = std::max<int64_t>(0, timeline.total.length_ns() - leaf_ns);
  if (leaf_ns > timeline.total.length_ns()) stage.flags.push_back("leaves_overlap");
  stage.begin_ns = absent<int64_t>("several_gaps");
  stage.gpu_ns = stage.exposed_copy_ns = stage.hidden_copy_ns = absent<int64_t>(no_device_time(readings));
  const std::vector<Interval> parts = gaps(timeline.total, leaves);
  Pool alone;
  fill_values(stage, parts, alone, readings, Extent::kStage);
  return stage;
}

/// Stages that are pooled when each is too short: all steps' loading, all steps' inference; else each its own.
std::string pool_of(const StageId& stage) {
  return is_step(stage.role) ? published_name(stage.role, -1, "") : stage.name;
}

std::map<std::string, Pool> pools_of(const std::vector<StageSpan>& leaves) {
  std::map<std::string, Pool> pools;
  for (const StageSpan& leaf : leaves) pools[pool_of(leaf.stage)].add(interval_of(leaf));
  return pools;
}

/// What was said of each stage, found by the stage. Of several leaves of one stage the first has its parts.
class SaidOfStages {
 public:
  explicit SaidOfStages(const RunTimeline& timeline) {
    for (const StageSpan& span : timeline.spans)
      if (!span.is_leaf()) parts_[key_of(span.stage)].push_back(&span);
    for (const StageMemory& memory : timeline.memory) add(memory);
  }

  std::vector<const StageSpan*> take_parts(const StageId& stage) {
    const auto found = parts_.find(key_of(stage));
    return found == parts_.end() ? std::vector<const StageSpan*>() : std::exchange(found->second, {});
  }
  const StageMemory* memory(const StageId& stage) const {
    const auto found = memory_.find(key_of(stage));
    return found == memory_.end() ? nullptr : &found->second;
  }

 private:
  using Key = std::tuple<StageRole, int, std::string, std::string>;
  static Key key_of(const StageId& stage) { return {stage.role, stage.index, stage.expert, stage.name}; }

  /// Several marks of a stage as one: the most of each component, and the most of all together.
  void add(const StageMemory& mark) {
    StageMemory& kept = memory_.try_emplace(key_of(mark.stage), StageMemory{mark.stage, {}, {}}).first->second;
    uint64_t sum = 0;
    for (const auto& [component, bytes] : mark.device_bytes) {
      kept.device_bytes[component] = std::max(kept.device_bytes[component], bytes);
      sum += bytes;
    }
    for (const auto& [component, bytes] : mark.host_bytes)
      kept.host_bytes[component] = std::max(kept.host_bytes[component], bytes);
    if (!mark.device_bytes.empty())
      kept.device_peak_bytes = std::max(kept.device_peak_bytes.value_or(0), mark.device_peak_bytes.value_or(sum));
  }

  std::map<Key, std::vector<const StageSpan*>> parts_;
  std::map<Key, StageMemory> memory_;
};

std::vector<StageRecord> stages_of(const RunTimeline& timeline, const std::vector<StageSpan>& leaves,
                                   const Readings& readings) {
  auto pools = pools_of(leaves);
  SaidOfStages said(timeline);
  std::vector<StageRecord> stages;
  for (const StageSpan& leaf : leaves) {
    stages.push_back(describe(leaf, timeline, readings));
    fill_values(stages.back(), std::vector<Interval>{interval_of(leaf)}, pools.at(pool_of(leaf.stage)), readings,
                Extent::kStage);
    if (const StageMemory* memory = said.memory(leaf.stage)) add_engine_memory(stages.back(), *memory);
    for (const StageSpan* part : said.take_parts(leaf.stage)) stages.push_back(describe(*part, timeline, readings));
  }
  stages.push_back(unattributed(timeline, leaves, readings));
  StageRecord total;
  total.id = total.name = kTotalName;
  total.kind = StageKind::kParent;
  total.wall_ns = timeline.total.length_ns();
  total.begin_ns = measured<int64_t>(0, "clock");
  Pool alone;
  fill_values(total, std::vector<Interval>{timeline.total}, alone, readings, Extent::kWholeRun);
  sum_over_leaves(total, stages, readings);
  for (const StageMemory& memory : timeline.memory) add_engine_memory(total, memory);
  stages.push_back(std::move(total));
  make_unique(stages);
  return stages;
}

/// The part of a run's time that must have readings for its sums to be compared.
constexpr double kLeastRead = 0.95;

std::vector<IntegralCheck> integrals_of(const RunTimeline& timeline, const std::vector<StageSpan>& leaves,
                                        const Readings& readings) {
  std::vector<Interval> parts = gaps(timeline.total, leaves);
  for (const StageSpan& leaf : leaves) parts.push_back(interval_of(leaf));
  std::vector<IntegralCheck> checks;
  // Both sides reach as far as the readings do: what a process does after its last one is nobody's.
  const auto add = [&](const char* quantity, const Interval& read, auto integral) {
    const Interval covered = intersection(timeline.total, read);
    if (double(covered.length_ns()) < kLeastRead * double(timeline.total.length_ns())) return;
    const auto whole = integral(covered);
    if (!whole) return;
    double sum = 0;
    for (const Interval& part : parts)
      if (const Interval seen = intersection(part, covered); seen.length_ns() > 0) sum += integral(seen).value_or(0);
    checks.push_back({quantity, sum, *whole});
  };
  const auto energy_j = [&](const Interval& part) -> std::optional<double> {
    const auto grown_mj = growth_over(readings.energy_mj, part);
    return grown_mj ? std::optional(*grown_mj * 1e-3) : std::nullopt;
  };
  const auto sm_seconds = [&](const Interval& part) {
    return integral_over(readings.sm, std::span(&part, 1), Resolution::kAny).value;
  };
  if (!readings.energy_mj.empty())
    add("energy_j", {readings.energy_mj.front().at_ns, readings.energy_mj.back().at_ns}, energy_j);
  if (!readings.sm.empty())
    add("sm_seconds", {readings.sm.windows.front().interval.begin_ns, readings.sm.windows.back().interval.end_ns},
        sm_seconds);
  return checks;
}

}  // namespace

Account account(const RunTimeline& timeline, const Samples& samples) {
  const Readings readings = make_readings(timeline, samples);
  const std::vector<StageSpan> leaves = leaves_in_order(timeline);
  return {stages_of(timeline, leaves, readings), integrals_of(timeline, leaves, readings)};
}

}  // namespace wan::measure
