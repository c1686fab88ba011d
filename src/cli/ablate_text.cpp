// The text of `wanbench ablate`.
#include <fmt/format.h>

#include "base/duration.h"
#include "base/terminal.h"
#include "cli/ablate_result.h"
#include "cli/columns.h"

namespace wan::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr const char* kNone = "-";

std::string number_of(const Quantity& quantity, double unit, int decimals) {
  return quantity.has() ? fmt::format("{:.{}f}", quantity.median() / unit, decimals) : kNone;
}

std::string number_of(const std::optional<double>& value, int decimals) {
  return value ? fmt::format("{:.{}f}", *value, decimals) : kNone;
}

/// What a CPU computes is in the host's memory.
const Quantity& memory_of(const CaseSummary& numbers) {
  return numbers.peak_device_bytes.has() ? numbers.peak_device_bytes : numbers.peak_host_bytes;
}

std::string forwards_text(const AblationRow& row) {
  if (row.forwards == nullptr) return kNone;
  return fmt::format("{}/{}", row.forwards->computed, row.forwards->computed + row.forwards->reused);
}

/// The name in the first column; one that is too long for it has a line of its own.
std::string first_column(const std::string& name) {
  constexpr size_t kWidth = 17;
  if (name.size() < kWidth) return name;
  print("{}\n", name);
  return "";
}

void print_numbers(const AblationRow& row) {
  const CaseSummary& numbers = *row.numbers;
  const std::optional<double> spread = row.spread ? std::optional(100 * row.spread->share) : std::nullopt;
  print("{:<17}{:>8}{:>6}{:>9}{:>7}{:>8}{:>7}{:>7}{:>10}\n", first_column(row.arm->name),
        number_of(numbers.total_s, 1, 2), number_of(spread, 1), number_of(numbers.steps_s, 1, 2),
        number_of(row.gain, 2), number_of(row.denoising_gain, 2), number_of(memory_of(numbers), kGiB, 1),
        number_of(numbers.energy_j, 1000, 1), forwards_text(row));
}

/// Planned as computed, or what was planned instead.
std::string plan_text(const AblationRow& row) {
  if (row.forwards == nullptr || row.forwards->reused == 0) return "";
  if (!row.forwards->planned.has()) return "forwards decided while it ran";
  if (*row.forwards->planned.value == row.forwards->computed) return "forwards as planned";
  return fmt::format("{} forwards were planned", *row.forwards->planned.value);
}

void print_row(const AblationRow& row) {
  if (row.numbers == nullptr)
    print("{}\n", row.arm->name);
  else
    print_numbers(row);
  print("{}", wrapped(row.text, 4, 2));
  std::string how = row.arm->setting;
  if (const std::string plan = plan_text(row); !plan.empty()) how += (how.empty() ? "" : "; ") + plan;
  if (!how.empty()) print("{}", wrapped(how, 4, 2));
  for (const std::string& remark : row.arm->remarks) print("{}", wrapped("note: " + remark, 4, 2));
}

std::string forwards_planned(const AblationArm& arm) {
  if (!arm.forwards_in_all) return kNone;
  return fmt::format("{}/{}", arm.forwards_planned ? std::to_string(*arm.forwards_planned) : "?", *arm.forwards_in_all);
}

}  // namespace

void print_plan(const Ablation& ablation, int repeats) {
  print("{}", wrapped(fmt::format("ablation of {}: {} a side, the default first; then each arm's frames against it",
                                  ablation.case_name, repeats == 1 ? "one run" : fmt::format("{} runs", repeats)),
                      0));
  print("{:<17}{:>12}{:>14}\n", "arm", "forwards", "expected");
  double seconds = 0;
  bool is_known = true;
  for (const AblationArm& arm : ablation.arms) {
    const bool is_run = arm.why_not_run.empty();
    print("{:<17}{:>12}{:>14}\n", first_column(arm.name), forwards_planned(arm),
          !is_run          ? "not run"
          : arm.expected_s ? duration_text(*arm.expected_s)
                           : "not known");
    if (!arm.setting.empty()) print("{}", wrapped(arm.setting, 4, 2));
    for (const std::string& remark : arm.remarks) print("{}", wrapped("note: " + remark, 4, 2));
    if (!is_run) print("{}", wrapped("not run: " + arm.why_not_run, 4, 2));
    is_known = is_known && (!is_run || arm.expected_s.has_value());
    if (is_run) seconds += arm.expected_s.value_or(0) * repeats;
  }
  if (is_known) print("in all about {}, loading and comparing left aside\n", duration_text(seconds));
}

void print_table(const AblationTable& table) {
  print("{}", wrapped(fmt::format("ablation of {}{}", table.ablation.case_name,
                                  table.device.empty() ? "" : " on " + table.device),
                      0));
  print("{:<17}{:>8}{:>6}{:>9}{:>7}{:>8}{:>7}{:>7}{:>10}\n", "arm", "video s", "+-%", "steps s", "gain", "steps'",
        "GiB", "kJ", "forwards");
  for (const AblationRow& row : table.rows) print_row(row);
  for (const std::string& remark : table.remarks) print("{}", wrapped(remark, 0, 2));
}

}  // namespace wan::cli
