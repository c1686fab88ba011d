// `wanbench compare`: arms of runs against the first one, with verdicts and exit codes a script can gate on.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/report_view.h"
#include "base/file.h"
#include "base/output_file.h"
#include "cli/collections.h"
#include "cli/commands.h"
#include "cli/compare_load.h"
#include "cli/compare_result.h"
#include "cli/json_document.h"
#include "cli/numbers.h"
#include "cli/report_page.h"
#include "results/device_name.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  std::vector<std::string> paths;
  std::string by, case_name, gate = "Total";
  fs::path page;  // empty: none
  double margin_percent = 1;
  std::optional<double> fail_if_slower_percent;  // absent: no gate
  bool strict = false;
  Wording wording = Wording::kText;
  CompareOptions options;
};

/// What --by splits on.
std::string arm_key(const RunRecord& r, const std::string& by) {
  if (by == "gpu") return device_name(r);
  if (by == "engine") return r.engine.name;
  if (by == "commit") return r.tool.git_commit + (r.tool.git_dirty ? "+" : "");
  if (by == "case") return r.run_case.name;
  return r.run_case.arm;
}

std::vector<Arm> split_by(const std::vector<StoredRecord>& records, const std::string& by) {
  std::vector<Arm> arms;
  for (const StoredRecord& stored : records) {
    const std::string key = arm_key(stored.record, by);
    auto found = std::find_if(arms.begin(), arms.end(), [&](const Arm& arm) { return arm.label == key; });
    if (found == arms.end()) found = arms.insert(arms.end(), Arm{key, {}});
    found->runs.push_back(&stored.record);
  }
  return arms;
}

bool names_case(const RunRecord& r, const std::string& name) {
  const auto& aliases = r.run_case.aliases;
  return r.run_case.name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end();
}

std::vector<const RunRecord*> runs_of(const Arm& arm, const std::string& case_name) {
  std::vector<const RunRecord*> runs;
  for (const RunRecord* run : arm.runs) {
    if (case_name.empty() || names_case(*run, case_name)) runs.push_back(run);
  }
  return runs;
}

std::vector<CaseSummary> summaries(const Arm& arm, const std::string& case_name) {
  const std::vector<const RunRecord*> runs = runs_of(arm, case_name);
  std::vector<CaseSummary> out;
  for (const RunGroup& group : group_runs(runs)) out.push_back(summarise(group));
  return out;
}

/// Whether two groups of one case were run in the same circumstances: what a script means by the same case.
bool same_circumstances(const CaseSummary& a, const CaseSummary& b) {
  return a.example->workload.page_cache == b.example->workload.page_cache && a.group.output == b.group.output &&
         a.group.in_company == b.group.in_company && a.group.execution.value == b.group.execution.value;
}

/// The summaries of a case with one scope in an arm: those that have a run that counts, or all where none has. A
/// default run's warm-ups write no video and are a group of their own that never counts.
std::vector<const CaseSummary*> candidates(const CaseSummary& base, const std::vector<CaseSummary>& arm) {
  std::vector<const CaseSummary*> all, counted;
  for (const CaseSummary& candidate : arm) {
    if (candidate.example == nullptr || !names_case(*candidate.example, base.group.case_name)) continue;
    if (candidate.example->workload.scope != base.example->workload.scope) continue;
    all.push_back(&candidate);
    if (!candidate.selection.used.empty()) counted.push_back(&candidate);
  }
  return counted.empty() ? all : counted;
}

/// The summary of `arm` that answers `base`: the same case, scope and, where there are several, circumstances; or the
/// only one there is.
const CaseSummary* counterpart(const CaseSummary& base, const std::vector<CaseSummary>& arm, bool alone) {
  std::vector<const CaseSummary*> found = candidates(base, arm);
  if (found.size() > 1) {
    std::vector<const CaseSummary*> alike;
    std::copy_if(found.begin(), found.end(), std::back_inserter(alike),
                 [&](const CaseSummary* other) { return same_circumstances(base, *other); });
    if (!alike.empty()) found = alike;
  }
  if (found.size() > 1) {
    throw Error(ErrorKind::kUsage,
                fmt::format("case '{}' is there more than once in one arm ({} and {}); choose with --by, --case, or "
                            "other paths",
                            base.group.case_name, found[0]->group.device, found[1]->group.device));
  }
  if (!found.empty()) return found.front();
  return alone && arm.size() == 1 ? &arm.front() : nullptr;
}

/// Whether the summary is left to another of the same case in its arm: no run of it counts, and of the other some do.
bool stands_aside(const CaseSummary& summary, const std::vector<CaseSummary>& arm) {
  if (!summary.selection.used.empty()) return false;
  const auto shown = candidates(summary, arm);
  return std::find(shown.begin(), shown.end(), &summary) == shown.end();
}

std::vector<CaseSummary> shown(const Arm& arm, const std::string& case_name) {
  std::vector<CaseSummary> all = summaries(arm, case_name), out;
  for (const CaseSummary& summary : all)
    if (summary.example != nullptr && !stands_aside(summary, all)) out.push_back(summary);
  return out;
}

ArmComparison compare_arms(const Arm& base, const Arm& other, const CompareArguments& arguments) {
  ArmComparison out{&base, &other, shown(base, arguments.case_name), shown(other, arguments.case_name), {}, {}, {}};
  std::set<const CaseSummary*> answered;
  for (const CaseSummary& summary : out.a) {
    counterpart(summary, out.a, false);  // refuses a case that A itself holds twice
    const CaseSummary* match = counterpart(summary, out.b, out.a.size() == 1);
    answered.insert(match);
    if (match == nullptr)
      out.only_in_a.push_back(summary.group.case_name);
    else
      out.pairs.push_back(compare_cases(summary, *match, arguments.options));
  }
  for (const CaseSummary& summary : out.b)
    if (!answered.contains(&summary)) out.only_in_b.push_back(summary.group.case_name);
  return out;
}

GateCounts counts_of(const std::vector<ArmComparison>& compared, const CompareArguments& arguments) {
  GateCounts counts;
  const bool has_limit = arguments.fail_if_slower_percent.has_value();
  for (const ArmComparison& arms : compared) {
    counts.missing += static_cast<int>(arms.only_in_a.size());
    for (const Comparison& pair : arms.pairs) count(counts, pair, arguments.gate, has_limit);
  }
  return counts;
}

/// Whether a case is there twice on one machine, so that nothing but the arm tells the sides apart.
bool need_labels(const std::vector<Arm>& arms, const std::string& case_name) {
  std::map<std::tuple<std::string, std::string, std::string>, const Arm*> seen;
  for (const Arm& arm : arms)
    for (const RunRecord* run : runs_of(arm, case_name)) {
      const auto key = std::make_tuple(run->run_case.name, device_name(*run), run->engine.name);
      if (seen.emplace(key, &arm).first->second != &arm) return true;
    }
  return false;
}

/// Paths without the folders at both ends that all have in common; as they are where nothing else is left of one.
std::vector<std::string> short_labels(const std::vector<Arm>& arms) {
  std::vector<std::vector<std::string>> parts;
  for (const Arm& arm : arms) {
    std::vector<std::string>& each = parts.emplace_back();
    for (const fs::path& part : fs::path(arm.label)) each.push_back(part.string());
  }
  const auto share = [&](auto part_of) {
    return std::all_of(parts.begin(), parts.end(),
                       [&](const auto& each) { return each.size() > 1 && part_of(each) == part_of(parts.front()); });
  };
  while (share([](const auto& each) { return each.front(); }))
    for (auto& each : parts) each.erase(each.begin());
  while (share([](const auto& each) { return each.back(); }))
    for (auto& each : parts) each.pop_back();
  std::vector<std::string> labels;
  for (const auto& each : parts) labels.push_back(fmt::format("{}", fmt::join(each, "/")));
  return labels;
}

/// Which records the page shows, in the order of the arms: each once, though two arms may hold it. Sides that nothing
/// in a record tells apart, as two paths, are told apart by the arm.
std::vector<StoredRecord> shown_records(std::vector<std::vector<StoredRecord>>& loaded, const std::vector<Arm>& arms,
                                        const CompareArguments& arguments) {
  std::map<const RunRecord*, StoredRecord*> by_record;
  for (std::vector<StoredRecord>& records : loaded)
    for (StoredRecord& stored : records) by_record[&stored.record] = &stored;
  const bool arms_are_labels = need_labels(arms, arguments.case_name);
  const std::vector<std::string> labels = arguments.by.empty() ? short_labels(arms) : std::vector<std::string>();
  std::vector<StoredRecord> shown;
  std::set<std::string> seen;
  for (const Arm& arm : arms) {
    for (const RunRecord* run : runs_of(arm, arguments.case_name)) {
      if (!seen.insert(run->id).second) continue;
      StoredRecord& stored = shown.emplace_back(std::move(*by_record.at(run)));
      if (arms_are_labels)
        stored.record.run_case.arm = labels.empty() ? arm.label : labels[static_cast<size_t>(&arm - arms.data())];
    }
  }
  return shown;
}

/// The page of a report, of the compared sides alone. Without videos: those of two folders have the same names.
void write_page(const fs::path& target, std::vector<StoredRecord> records) {
  report::HtmlOptions page{.beside = load_beside(records), .trace = ""};
  const fs::path folder = fs::absolute(target).parent_path();
  for (const StoredRecord& stored : records)
    page.files.emplace(stored.record.id, fs::absolute(stored.file).lexically_relative(folder));
  const CardTables cards = load_card_tables();
  write_atomically(target, report::html_report(page_view(pointers(records), cards), page));
}

ExitCode run_compare(CompareArguments arguments) {
  if (!arguments.page.empty()) {
    require(arguments.page.extension() == ".html",
            fmt::format("--html {}: the page takes a name in .html, so that it replaces no record",
                        arguments.page.string()),
            ErrorKind::kUsage);
    require_output(arguments.page);
  }
  if (arguments.by.empty() && arguments.page.empty() && are_load_tests(arguments.paths))
    return compare_load_tests(arguments.paths,
                              {.margin = arguments.fail_if_slower_percent.value_or(arguments.margin_percent) / 100,
                               .has_limit = arguments.fail_if_slower_percent.has_value(),
                               .strict = arguments.strict,
                               .wording = arguments.wording});
  const Parts parts = arguments.page.empty() ? Parts::kAsStored : Parts::kSummedUp;
  arguments.options.margin = arguments.fail_if_slower_percent.value_or(arguments.margin_percent) / 100;
  std::vector<std::vector<StoredRecord>> loaded;
  std::vector<Arm> arms;
  if (!arguments.by.empty()) {
    loaded.push_back(load_records(arguments.paths, parts));
    arms = split_by(loaded.back(), arguments.by);
  } else {
    loaded.reserve(arguments.paths.size());  // arms point into the records
    for (const std::string& path : arguments.paths) {
      loaded.push_back(load_records({path}, parts));
      arms.push_back({path, pointers(loaded.back())});
    }
  }
  if (arms.size() < 2) {
    throw Error(ErrorKind::kUsage, arguments.by.empty()
                                       ? "compare needs two paths, or one path and --by"
                                       : fmt::format("--by {}: expected two values or more, found only "
                                                     "'{}'",
                                                     arguments.by, arms.empty() ? "" : arms[0].label));
  }
  CompareResult result{.gate = arguments.gate,
                       .margin = arguments.options.margin,
                       .fail_if_slower_percent = arguments.fail_if_slower_percent,
                       .strict = arguments.strict,
                       .compared = {},
                       .counts = {}};
  for (size_t i = 1; i < arms.size(); ++i) result.compared.push_back(compare_arms(arms[0], arms[i], arguments));
  result.counts = counts_of(result.compared, arguments);
  arguments.wording == Wording::kJson ? print_json(json_of(result)) : print_text(result);
  if (!arguments.page.empty()) write_page(arguments.page, shown_records(loaded, arms, arguments));
  return gate_code(result.counts, arguments.strict);
}

}  // namespace

void add_compare_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command = app.add_subcommand("compare", "Compare results: medians, intervals and a verdict per stage");
  command->add_option("RESULTS", arguments->paths, "record files or results folders; the first is A, the base")
      ->required();
  command->add_option("--by", arguments->by, "split the records into arms by this instead of by path")
      ->check(CLI::IsMember({"gpu", "engine", "commit", "arm", "case"}));
  command->add_option("--case", arguments->case_name, "only this case (name or alias)");
  add_number(*command, "--margin", arguments->margin_percent, Bounds<double>{0, 50},
             "percent within which a difference does not matter");
  add_number(*command, "--fail-if-slower", arguments->fail_if_slower_percent, kPercent,
             "exit with 3 when B is slower by more than this percent; also sets the margin");
  command->add_option("--gate", arguments->gate, "the row that decides the exit code")
      ->capture_default_str()
      ->check(CLI::IsMember({"Total", "Warm total", "Steady step", "GPU part", "Host part"}));
  command->add_flag("--strict", arguments->strict,
                    "exit with 4 when the gate's verdict is inconclusive or a case is missing");
  command->add_option("--allow-different", arguments->options.allowed_fields,
                      "workload fields that may differ, for example steps or offload; recipe: and all that a "
                      "recipe decides; '*' for any");
  add_json_flag(*command, arguments->wording);
  command->add_option("--html", arguments->page, "write the page of a report of the compared records alone")
      ->type_name("FILE");
  command->add_flag("--across-precision", arguments->options.across_precision,
                    "compare runs of different precision classes, and say so; their fidelity must be measured "
                    "(run --fidelity)");
  command->footer(
      "Exit codes, the first that holds: 3 a pair is slower than --fail-if-slower, 4 under --strict a pair is "
      "inconclusive or a case of A is missing, 5 a case is missing or not comparable, 0 otherwise.");
  command->callback([arguments, &result] { result = run_compare(*arguments); });
}

}  // namespace wan::cli
