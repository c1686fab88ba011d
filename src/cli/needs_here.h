// The memory that a model's own video takes, against what this machine has free now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_document.h"
#include "pipeline/memory_needs.h"

namespace wan::cli {

/// The first card, where there is one that computes.
struct CardHere {
  std::string name;
  uint64_t free_bytes = 0, total_bytes = 0;
  HistoryMemory history = HistoryMemory::kApart;
};

struct MachineHere {
  std::optional<CardHere> card;
  std::string why_no_card;
  uint64_t host_free = 0, host_total = 0;
};

/// One place for the weights on one kind of device.
struct NeedHere {
  std::string device_kind;  // "cuda", "cpu"
  DType compute = DType::kBF16;
  MemoryNeed need;
  std::optional<bool> fits;  // nothing where there is no card
  std::string reason;        // why not, or why that is not known
};

struct NeedsHere {
  MachineHere machine;
  std::vector<NeedHere> needs;
};

/// Asks the driver for the card, by opening it for a moment.
MachineHere look_at_machine();

/// Of a model's own video (default_plan): of a card resident, streamed and mapped, then of the CPU. Without a card what
/// one would need is said all the same, as the cards that need least.
NeedsHere needs_here(const ModelSet& models, const MachineHere& machine);

/// Lines of at most 80 columns.
void print_needs(const NeedsHere& needs);

/// `machine` and `needs` of docs/formats.md.
void put_needs(OrderedJson& document, const NeedsHere& needs);

}  // namespace wan::cli
