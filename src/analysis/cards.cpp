#include "analysis/cards.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "analysis/workload_diff.h"

namespace wan {
namespace {

std::set<std::string> names_of(const CaseSummary& summary) {
  const CaseInfo& info = summary.example->run_case;
  std::set<std::string> names(info.aliases.begin(), info.aliases.end());
  names.insert(info.name);
  return names;
}

Machine machine_of(const CaseSummary& summary) {
  return {summary.group.device, summary.group.engine, summary.example->engine.kind, summary.example, {}};
}

/// A row as it grows.
struct Growing {
  std::set<std::string> names;
  std::string circumstances;
  std::vector<size_t> members;
};

std::vector<Growing> gather(const std::vector<const CaseSummary*>& summaries) {
  std::vector<Growing> rows;
  for (size_t i = 0; i < summaries.size(); ++i) {
    Growing fresh{names_of(*summaries[i]), circumstances(*summaries[i]), {i}};
    // The new case may join rows that were apart.
    std::vector<Growing> kept;
    size_t place = rows.size();
    for (Growing& row : rows) {
      const bool same = row.circumstances == fresh.circumstances &&
                        std::any_of(row.names.begin(), row.names.end(),
                                    [&](const std::string& name) { return fresh.names.contains(name); });
      if (!same) {
        kept.push_back(std::move(row));
        continue;
      }
      place = std::min(place, kept.size());
      fresh.names.merge(row.names);
      fresh.members.insert(fresh.members.end(), row.members.begin(), row.members.end());
    }
    std::sort(fresh.members.begin(), fresh.members.end());
    kept.insert(kept.begin() + static_cast<ptrdiff_t>(std::min(place, kept.size())), std::move(fresh));
    rows = std::move(kept);
  }
  return rows;
}

std::string row_name(const Growing& row, const std::vector<const CaseSummary*>& summaries) {
  const auto ours = std::find_if(row.members.begin(), row.members.end(),
                                 [&](size_t i) { return summaries[i]->example->engine.kind == EngineKind::kNative; });
  const CaseSummary& named = *summaries[ours == row.members.end() ? row.members.front() : *ours];
  return named.group.case_name + row.circumstances;
}

std::vector<std::string> differences_in(const Growing& row, const std::vector<const CaseSummary*>& summaries) {
  std::vector<std::string> out;
  const CaseSummary& first = *summaries[row.members.front()];
  for (const size_t i : row.members) {
    const CaseSummary& other = *summaries[i];
    for (const FieldDifference& field : compare_workloads(*first.example, *other.example).different)
      out.push_back(fmt::format("{} on {}: {} is {}, on {} it is {}", other.group.case_name, other.group.device,
                                field.field, field.b, first.group.device, field.a));
  }
  return out;
}

Quantity role_seconds(const CaseSummary& summary, StageRole role) {
  return quantity_over(summary.described, {}, [&](const RunRecord& run) {
    int64_t sum_ns = 0;
    bool any = false;
    for (const StageRecord* leaf : break_down(run).leaves) {
      if (leaf->role != role) continue;
      sum_ns += leaf->wall_ns;
      any = true;
    }
    return any ? measured(static_cast<double>(sum_ns) * 1e-9, "clock") : absent<double>("stage_absent");
  });
}

}  // namespace

CardTable card_table(const std::vector<const CaseSummary*>& summaries) {
  CardTable out;
  for (const CaseSummary* summary : summaries) {
    const Machine machine = machine_of(*summary);
    auto known = std::find(out.machines.begin(), out.machines.end(), machine);
    if (known == out.machines.end()) known = out.machines.insert(known, machine);
    const std::vector<const RunRecord*>& runs = summary->group.runs;
    known->runs.insert(known->runs.end(), runs.begin(), runs.end());
  }
  std::stable_partition(out.machines.begin(), out.machines.end(),
                        [](const Machine& machine) { return machine.kind == EngineKind::kImported; });
  for (const Growing& row : gather(summaries)) {
    CardRow shown{row_name(row, summaries), std::vector<std::vector<size_t>>(out.machines.size()),
                  differences_in(row, summaries)};
    for (const size_t i : row.members) {
      const auto column = std::find(out.machines.begin(), out.machines.end(), machine_of(*summaries[i]));
      shown.cells[static_cast<size_t>(column - out.machines.begin())].push_back(i);
    }
    out.rows.push_back(std::move(shown));
  }
  std::stable_sort(out.rows.begin(), out.rows.end(),
                   [](const CardRow& a, const CardRow& b) { return a.name < b.name; });
  return out;
}

const std::vector<CardQuantity>& card_quantities() {
  static const std::vector<CardQuantity> kQuantities = {
      {"Whole video", CardUnit::kSeconds, [](const CaseSummary& s) { return s.total_s; }},
      {"GPU part (steps, VAE, text encoding on the card)", CardUnit::kSeconds,
       [](const CaseSummary& s) { return s.gpu_part_s; }},
      {"Steady step", CardUnit::kSeconds, [](const CaseSummary& s) { return s.steady_step_s; }},
      {"VAE decoding", CardUnit::kSeconds,
       [](const CaseSummary& s) { return role_seconds(s, StageRole::kVaeDecoding); }},
      {"Text encoding", CardUnit::kSeconds,
       [](const CaseSummary& s) { return role_seconds(s, StageRole::kTextEncoding); }},
      {"Initialization", CardUnit::kSeconds,
       [](const CaseSummary& s) { return role_seconds(s, StageRole::kInitialization); }},
      {"Waiting for weights between steps", CardUnit::kSeconds,
       [](const CaseSummary& s) { return role_seconds(s, StageRole::kStepLoading); }},
      {"Time in no stage", CardUnit::kShare, [](const CaseSummary& s) { return s.unattributed_share; }},
      {"Peak GPU memory", CardUnit::kBytes, [](const CaseSummary& s) { return s.peak_device_bytes; }},
      {"Energy", CardUnit::kJoules, [](const CaseSummary& s) { return s.energy_j; }},
  };
  return kQuantities;
}

}  // namespace wan
