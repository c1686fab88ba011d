#include "cli/needs_here.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "backend/backend.h"
#include "backend/cuda_module.h"
#include "base/enum_names.h"
#include "base/error.h"
#include "base/machine.h"
#include "cli/columns.h"
#include "pipeline/request_words.h"
#include "pipeline/residency.h"

namespace wan::cli {
namespace {

double gib(uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30); }

/// "resident", "streamed", "mapped", for people.
std::string_view word_of(Residency residency) {
  return residency == Residency::kStream ? "streamed" : enum_name(residency);
}

std::string_view word_of(DType compute) { return enum_name(precision_of(compute)); }

void add_needs(const ModelSet& models, const char* kind, HistoryMemory history,
               const std::optional<MemoryLimits>& limits, NeedsHere& out) {
  const bool on_card = kind != std::string_view("cpu");
  const Plan plan = default_plan(models, on_card ? "cuda:0" : "cpu");
  for (const MemoryNeed& need : memory_needs(models, plan, history)) {
    NeedHere here{kind, plan.compute, need, std::nullopt, out.machine.why_no_card};
    if (limits) {
      here.reason = what_is_short(need, *limits);
      here.fits = here.reason.empty();
    }
    out.needs.push_back(std::move(here));
  }
}

std::string answer_of(const NeedHere& here) {
  if (!here.fits) return "not known: no card";
  return *here.fits ? "yes" : "no: " + here.reason;
}

}  // namespace

MachineHere look_at_machine() {
  MachineHere here;
  here.host_free = available_host_bytes();
  here.host_total = total_host_bytes();
  try {
    const std::optional<std::string> no_code = why_card_has_no_code();
    here.why_no_card = no_code ? *no_code : why_cuda_is_unusable().value_or("");
    if (!here.why_no_card.empty()) return here;
    BackendOptions options;
    options.device = "cuda:0";
    const std::unique_ptr<Backend> card = make_backend(options);
    here.card =
        CardHere{card->info().name, card->free_bytes(), card->info().total_bytes, card->history_memory(DType::kBF16)};
  } catch (const Error& problem) {
    here.why_no_card = problem.what();
  }
  return here;
}

NeedsHere needs_here(const ModelSet& models, const MachineHere& machine) {
  NeedsHere out{machine, {}};
  std::optional<MemoryLimits> of_card;
  if (machine.card)
    of_card = MemoryLimits{machine.card->free_bytes, machine.host_free, machine.card->total_bytes, machine.host_total};
  add_needs(models, "cuda", machine.card ? machine.card->history : HistoryMemory::kApart, of_card, out);
  const MemoryLimits of_host{machine.host_free, machine.host_free, machine.host_total, machine.host_total};
  add_needs(models, "cpu", HistoryMemory::kJoined, of_host, out);
  return out;
}

void print_needs(const NeedsHere& needs) {
  constexpr size_t kAnswer = 39;  // its column
  const MachineHere& machine = needs.machine;
  print("{}", wrapped("memory for such a video in GiB; of the host what a GPU's weights keep page-locked, or all that "
                      "the CPU takes:",
                      0, 2));
  print("  {:<11} {:<8} {:>7} {:>7}  {}\n", "computed on", "weights", "card", "host", "fits here now");
  for (const NeedHere& here : needs.needs) {
    const std::string kind = here.device_kind == "cpu" ? "CPU" : "GPU";
    const std::string card = here.need.device ? fmt::format("{:.2f}", gib(*here.need.device)) : "-";
    print("{}", wrapped(fmt::format("{:<11} {:<8} {:>7} {:>7.2f}  {}", kind + ", " + std::string(word_of(here.compute)),
                                    word_of(here.need.residency), card, gib(here.need.host), answer_of(here)),
                        2, kAnswer));
  }
  if (machine.card)
    print("{}", wrapped(fmt::format("card: {}, {:.1f} of {:.1f} GiB free", machine.card->name,
                                    gib(machine.card->free_bytes), gib(machine.card->total_bytes)),
                        2));
  else
    print("{}", wrapped("card: none: " + machine.why_no_card, 2));
  print(
      "{}",
      wrapped(fmt::format("host: {:.1f} of {:.1f} GiB available", gib(machine.host_free), gib(machine.host_total)), 2));
}

void put_needs(OrderedJson& document, const NeedsHere& needs) {
  const MachineHere& machine = needs.machine;
  const auto of_card = [&](const auto& value) {
    return machine.card ? json_value(OrderedJson(value(*machine.card))) : json_value(nullptr, machine.why_no_card);
  };
  document["machine"] = {{"card", of_card([](const CardHere& card) { return card.name; })},
                         {"card_free_bytes", of_card([](const CardHere& card) { return card.free_bytes; })},
                         {"card_total_bytes", of_card([](const CardHere& card) { return card.total_bytes; })},
                         {"host_available_bytes", machine.host_free},
                         {"host_total_bytes", machine.host_total}};
  document["needs"] = OrderedJson::array();
  for (const NeedHere& here : needs.needs) {
    OrderedJson need;
    need["device_kind"] = here.device_kind;
    need["precision"] = word_of(here.compute);
    need["residency"] = enum_name(here.need.residency);
    need["device_bytes"] =
        here.need.device ? json_value(OrderedJson(*here.need.device)) : json_value(nullptr, "no_memory_of_its_own");
    need["host_bytes"] = here.need.host;
    need["fits"] = here.fits ? json_value(OrderedJson(*here.fits), here.reason) : json_value(nullptr, here.reason);
    document["needs"].push_back(std::move(need));
  }
}

}  // namespace wan::cli
