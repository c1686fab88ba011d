#include "cli/video_result.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/build_info.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "pipeline/recipe_names.h"
#include "pipeline/request_words.h"
#include "report/escape.h"
#include "report/format.h"
#include "results/stage_names.h"
#include "results/velocity_bound.h"
#include "suite/decided.h"

namespace wan::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr double kJoulesOfWh = 3600;
constexpr const char* kNoStages = "not_measured";

const StageRecord* total_of(const VideoCost& cost) {
  const auto found = std::find_if(cost.stages.begin(), cost.stages.end(),
                                  [](const StageRecord& stage) { return stage.name == kTotalName; });
  return found == cost.stages.end() ? nullptr : &*found;
}

/// Three digits, more only before the point.
std::string brief(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  if (value >= 10) return fmt::format("{:.1f}", value);
  return fmt::format(fmt::runtime(value >= 1 ? "{:.2f}" : "{:.3f}"), value);
}

std::string seconds(const Measured<int64_t>& ns, const char* unit) {
  return ns.has() ? fmt::format("{} {}", brief(seconds_from_ns(*ns.value).value), unit) : std::string("-");
}

std::string gib(const Measured<uint64_t>& bytes) {
  if (!bytes.has()) return "-";
  const double value = double(*bytes.value) / kGiB;
  return fmt::format(fmt::runtime(value >= 1 ? "{:.1f} GiB" : "{:.2f} GiB"), value);
}

std::string watt_hours(const Measured<double>& joules) {
  if (!joules.has()) return "-";
  const double value = *joules.value / kJoulesOfWh;
  return fmt::format(fmt::runtime(value >= 1 ? "{:.1f} Wh" : value >= 0.01 ? "{:.2f} Wh" : "{:.4f} Wh"), value);
}

std::string why_no_energy(const VideoCost& cost) {
  if (!cost.on_card) return "a processor's energy is not measured, only a card's";
  const Measured<double> energy = energy_j(cost);
  return energy.reason == "below_resolution" ? "the video took less than the second that the card's counter needs"
                                             : report::explain(energy.reason);
}

std::string line(const char* label, const std::string& text) {
  constexpr size_t kLabel = 8;
  return wrapped(fmt::format("{:<{}}{}", label, kLabel, text), 0, kLabel).text;
}

/// As people write it: the task in capitals.
std::string model_label(std::string model) {
  const size_t end = std::min(model.find('-'), model.size());
  std::transform(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(end), model.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return model;
}

std::string precision_word(const Decisions& decisions) {
  const auto dit = decisions.computed.find("dit");
  return dit == decisions.computed.end() ? "-" : std::string(enum_name(dit->second));
}

/// ", recipe lightning-4"; nothing for the official one.
std::string recipe_text(const VideoCost& cost) {
  return !cost.decisions || is_official(cost.decisions->recipe) ? "" : ", recipe " + cost.decisions->recipe;
}

/// "52 of 100 forwards computed"; nothing of a video that reuses none.
std::string reuse_text(const VideoResult& made) {
  if (!made.cost || !made.cost->decisions || made.cost->decisions->approximations.empty()) return "";
  const Forwards& forwards = made.outcome->forwards;
  return fmt::format("{} of {} forwards computed", forwards.computed, forwards.computed + forwards.reused);
}

std::string memory_text(const VideoCost& cost) {
  const Measured<uint64_t> peak = cost.on_card ? device_peak_bytes(cost) : host_peak_bytes(cost);
  if (!peak.has()) return fmt::format("- ({})", report::explain(peak.reason));
  return gib(peak) + (cost.on_card ? " of the card's memory at most" : " of this machine's memory at most");
}

}  // namespace

Measured<int64_t> step_ns(const VideoCost& cost) {
  const bool some_reuse = cost.decisions && !cost.decisions->approximations.empty();
  std::vector<int64_t> steps;
  for (const StageRecord& stage : cost.stages)
    if (stage.kind == StageKind::kLeaf && stage.role == StageRole::kStepInference) steps.push_back(stage.wall_ns);
  if (steps.empty()) return absent<int64_t>("stage_absent");
  std::sort(steps.begin(), steps.end());
  const size_t half = steps.size() / 2;
  const int64_t median = steps.size() % 2 == 1 ? steps[half] : (steps[half - 1] + steps[half]) / 2;
  const int64_t mean = std::accumulate(steps.begin(), steps.end(), int64_t{0}) / std::ssize(steps);
  return measured(some_reuse ? mean : median, cost.on_card ? "device_event" : "clock");
}

Measured<int64_t> total_ns(const VideoCost& cost) {
  const StageRecord* total = total_of(cost);
  return total == nullptr ? absent<int64_t>(kNoStages) : measured(total->wall_ns, "clock");
}

Measured<uint64_t> device_peak_bytes(const VideoCost& cost) {
  const StageRecord* total = total_of(cost);
  if (total == nullptr) return absent<uint64_t>(kNoStages);
  if (!cost.on_card) return absent<uint64_t>("no_device_memory");
  const DeviceMemory& memory = total->device_memory;
  return memory.process_peak_bytes.has() ? memory.process_peak_bytes : memory.pool_peak_bytes;
}

Measured<uint64_t> host_peak_bytes(const VideoCost& cost) {
  const StageRecord* total = total_of(cost);
  return total == nullptr ? absent<uint64_t>(kNoStages) : total->host_memory.process_peak_bytes;
}

Measured<double> energy_j(const VideoCost& cost) {
  const StageRecord* total = total_of(cost);
  return total == nullptr ? absent<double>(kNoStages) : total->energy_j;
}

std::string place_of(const Request& request) {
  for (const auto& place : {request.output, request.frames, request.dump})
    if (!place.empty()) return place.string();
  return {};
}

std::string summary(const VideoResult& made) {
  const Outcome& outcome = *made.outcome;
  const VideoCost& cost = *made.cost;
  const std::string place = place_of(made.request);
  std::string text = line(
      "video", fmt::format("{}x{}, {} frames, {} fps, seed {}{}: {}", outcome.width, outcome.height, outcome.num_frames,
                           outcome.fps, made.request.seed, recipe_text(cost), place.empty() ? "not kept" : place));
  if (cost.decisions)
    for (const LoraUse& lora : cost.decisions->loras) text += line("lora", text_of(lora));
  if (const std::string reuse = reuse_text(made); !reuse.empty())
    text += line("reuse", fmt::format("{}; {}", reuse, fmt::join(cost.decisions->approximations, "; ")));
  text += line("time", fmt::format("{} a step, {} in all", seconds(step_ns(cost), "s"), seconds(total_ns(cost), "s")));
  text += line("memory", memory_text(cost));
  const Measured<double> energy = energy_j(cost);
  text += line("energy", energy.has() ? watt_hours(energy) : fmt::format("- ({})", why_no_energy(cost)));
  return text + fmt::format("frames' sha256 {}\n", outcome.video_sha256);
}

std::string summary_row(const VideoResult& made) {
  const Outcome& outcome = *made.outcome;
  const VideoCost& cost = *made.cost;
  const Decisions decisions = cost.decisions.value_or(Decisions{});
  const std::string reuse = reuse_text(made);
  return fmt::format("| {} | {} {}x{}x{}, {} step{}{}{}, {} | {} | {} | {} | {} | wanbench {} |\n",
                     report::markdown_text(decisions.device_name), report::markdown_text(model_label(decisions.model)),
                     outcome.width, outcome.height, outcome.num_frames, outcome.steps, outcome.steps == 1 ? "" : "s",
                     recipe_text(cost), reuse.empty() ? "" : ", " + reuse, precision_word(decisions),
                     seconds(step_ns(cost), "s/step"), seconds(total_ns(cost), "s"),
                     gib(cost.on_card ? device_peak_bytes(cost) : host_peak_bytes(cost)), watt_hours(energy_j(cost)),
                     build_info().version);
}

std::optional<Replayed> replayed(const VideoResult& made) {
  if (!made.outcome || made.outcome->replayed.empty()) return std::nullopt;
  const auto& steps = made.outcome->replayed;
  const auto worst = std::max_element(steps.begin(), steps.end(),
                                      [](const auto& a, const auto& b) { return a.relative_l2 < b.relative_l2; });
  Replayed out{worst->relative_l2, worst->step, PrecisionClass::kUnknown, std::nullopt};
  if (made.cost && made.cost->decisions) out.precision_class = suite::precision_class(*made.cost->decisions);
  out.bound = velocity_bound(out.precision_class);
  return out;
}

std::string replay_text(const VideoResult& made) {
  const std::optional<Replayed> all = replayed(made);
  if (!all) return "";
  std::string text = terminal_format("{:<8}{:>14} {:>14}\n", "step", "velocity off", "1 - cosine");
  for (const ReplayedStep& step : made.outcome->replayed)
    text += terminal_format("{:<8}{:>12.4g} % {:>14.3e}\n", step.step + 1, 100 * step.relative_l2, 1 - step.cosine);
  const std::string name(to_string(all->precision_class));
  const std::string found = fmt::format("{:.4g} % at most, in step {}", 100 * all->worst, all->worst_step + 1);
  if (!all->bound)
    return text + line("replay", fmt::format("{}: {} has no bound that holds for every model", found, name));
  const std::string bound = fmt::format("{} allows {:g} %", name, 100 * *all->bound);
  return text + line("replay", all->holds() ? fmt::format("{}: {}", found, bound)
                                            : fmt::format("{}, but {} of a reference in fp32 with the same weights, "
                                                          "prompt and seed",
                                                          found, bound));
}

std::string stage_table(const VideoResult& made) {
  std::string text = terminal_format("{:<24} {:>10}\n", "stage", "seconds");
  int64_t total = 0;
  for (const StageRecord& stage : made.cost->stages) {
    if (stage.kind != StageKind::kLeaf || stage.name == kUnattributedName) continue;
    total += stage.wall_ns;
    text += terminal_format("{:<24} {:>10.3f}\n", stage.name, seconds_from_ns(stage.wall_ns).value);
  }
  return text + terminal_format("{:<24} {:>10.3f}\n", "sum of stages", seconds_from_ns(total).value);
}

}  // namespace wan::cli
