// `wanbench suite check`: everything that is wrong with a suite's file, before a machine is used for it.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/json_document.h"
#include "pipeline/recipe_names.h"
#include "suite/suite_check.h"

namespace wan::cli {
namespace {

using suite::CheckedCase;
using suite::SuiteCheck;
using suite::SuiteProblem;

/// "1 case", "3 cases".
std::string counted(size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string case_text(const CheckedCase& checked) {
  if (checked.undecided == "no_model_named")
    return checked.name + ": names no model; sizes are not checked against one";
  if (checked.undecided == "not_a_model_of_this_program")
    return fmt::format("{}: its model '{}' is none of this program's: only --engine command runs it", checked.name,
                       checked.model);
  if (!checked.decided) return (checked.name.empty() ? "a case without a name" : checked.name) + ": see below";
  const Decisions& d = *checked.decided;
  const std::string recipe = is_official(d.recipe) ? "" : " of " + d.recipe;
  return fmt::format("{}: {}, {}x{}, {} frames, {} steps{}", checked.name, checked.model, d.width, d.height,
                     d.num_frames, d.steps, recipe);
}

void print_text(const SuiteCheck& check) {
  if (check.name.empty() && check.cases.empty()) {  // no suite at all: its problems say all there is
    for (const SuiteProblem& problem : check.problems) print("{}", wrapped(problem_text(check.file, problem), 0));
    return;
  }
  const std::string problems = check.problems.empty() ? "no problem" : counted(check.problems.size(), "problem");
  const std::string name = check.name.empty() ? "no name" : fmt::format("suite {}", check.name);
  print("{}",
        wrapped(fmt::format("{}: {} version {}, {}, {}", check.file.string(), name,
                            check.version.empty() ? "-" : check.version, counted(check.cases.size(), "case"), problems),
                0));
  for (const CheckedCase& checked : check.cases) print("{}", wrapped(case_text(checked), 2));
  for (const SuiteProblem& problem : check.problems) print("{}", wrapped(problem_text(check.file, problem), 0));
  if (check.problems.size() == suite::kMostProblems)
    print("{} problems are the most that are listed\n", suite::kMostProblems);
}

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? json_value(nullptr, "not_said") : json_value(text);
}

OrderedJson json_of(const CheckedCase& checked) {
  OrderedJson json = {{"name", checked.name},
                      {"model", checked.model.empty() ? json_value(nullptr, "not_said") : json_value(checked.model)}};
  if (!checked.decided) {
    json["decided"] = json_value(nullptr, checked.undecided);
    return json;
  }
  const Decisions& d = *checked.decided;
  json["decided"] = json_value({{"width", d.width},
                                {"height", d.height},
                                {"num_frames", d.num_frames},
                                {"recipe", d.recipe},
                                {"steps", d.steps},
                                {"shift", d.shift ? OrderedJson(*d.shift) : OrderedJson(nullptr)},
                                {"guidance_low", d.guidance_low},
                                {"guidance_high", d.guidance_high}});
  return json;
}

OrderedJson json_of(const SuiteProblem& problem) {
  return {{"case", problem.case_number > 0 ? json_value(problem.case_number) : json_value(nullptr, "of_the_suite")},
          {"name", text_or_null(problem.case_name)},
          {"field", text_or_null(problem.field)},
          {"message", problem.message}};
}

OrderedJson json_of(const SuiteCheck& check) {
  OrderedJson json = {{"file", check.file.string()},
                      {"name", text_or_null(check.name)},
                      {"version", text_or_null(check.version)},
                      {"cases", OrderedJson::array()},
                      {"problems", OrderedJson::array()}};
  for (const CheckedCase& checked : check.cases) json["cases"].push_back(json_of(checked));
  for (const SuiteProblem& problem : check.problems) json["problems"].push_back(json_of(problem));
  return json;
}

ExitCode run_check(const std::vector<std::string>& files, Wording wording) {
  std::vector<SuiteCheck> checks;
  for (const std::string& file : files) checks.push_back(suite::check_suite(file));
  if (wording == Wording::kJson) {
    OrderedJson document = json_document("wanbench.suite_check", 1, 0);
    document["files"] = OrderedJson::array();
    for (const SuiteCheck& check : checks) document["files"].push_back(json_of(check));
    print_json(document);
  } else {
    for (const SuiteCheck& check : checks) print_text(check);
  }
  const bool good = std::all_of(checks.begin(), checks.end(), [](const SuiteCheck& c) { return c.problems.empty(); });
  return good ? ExitCode::kSuccess : ExitCode::kUsage;
}

}  // namespace

void add_suite_command(CLI::App& app, ExitCode& result) {
  CLI::App* group = app.add_subcommand("suite", "Look at suite files");
  group->require_subcommand(1);
  auto files = std::make_shared<std::vector<std::string>>();
  auto wording = std::make_shared<Wording>(Wording::kText);
  CLI::App* command = group->add_subcommand("check", "Name every fault of suite files, without weights or a run");
  command->add_option("FILE", *files, "suite files, JSON or TOML")->required();
  add_json_flag(*command, *wording);
  command->footer("Exit codes: 0 no file has a problem, 2 one has.");
  command->callback([files, wording, &result] { result = run_check(*files, *wording); });
}

}  // namespace wan::cli
