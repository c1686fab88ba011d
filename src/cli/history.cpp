// `wanbench history`: lists runs from an index over results folders; --reindex rebuilds it from the records.
#include "results/history.h"
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/log.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "results/history.h"

namespace wan::cli {
namespace {

struct HistoryArguments {
  std::string index = "history.sqlite";
  std::vector<std::string> reindex;
  HistoryFilter filter;
};

std::string size_text(const HistoryRow& row) {
  const auto text = [](const std::optional<int64_t>& n) { return n ? fmt::format("{}", *n) : "-"; };
  return fmt::format("{}x{}x{}/{}", text(row.width), text(row.height), text(row.num_frames), text(row.steps));
}

/// Two lines: the run and how it ended; what was run on what.
void print_run(const HistoryRow& row) {
  constexpr size_t kToTheMinute = 16;
  const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
  const std::string total = row.total_ns ? fmt::format("{:.2f} s", static_cast<double>(*row.total_ns) * 1e-9) : "-";
  const std::string status = row.warmup ? "warmup" : row.status + (row.excluded ? " (excl.)" : "");
  print("{:<16}  {:<16}  {:<19} {:>12}  {}\n", row.id, or_dash(row.created_utc.substr(0, kToTheMinute)), status, total,
        row.scope);
  print("{}", wrapped(fmt::format("{}  {}  {}  commit {}", row.case_name, size_text(row), or_dash(row.device_name),
                                  or_dash(row.git_commit)),
                      4));
}

ExitCode run_history(const HistoryArguments& arguments) {
  if (!arguments.reindex.empty()) {
    const ReindexResult done = rebuild_history(arguments.index, {arguments.reindex.begin(), arguments.reindex.end()});
    for (const DamagedFile& damaged : done.damaged) log::warning(fmt::format("left out: {}", damaged.message));
    log::info(fmt::format("{} runs indexed in {}", done.indexed, arguments.index));
  } else if (!std::filesystem::exists(arguments.index)) {
    throw Error(ErrorKind::kUsage, fmt::format("{}: no history index here; make one with `wanbench history --reindex "
                                               "FOLDER`",
                                               arguments.index));
  }
  for (const HistoryRow& row : History(arguments.index).query(arguments.filter)) print_run(row);
  return ExitCode::kSuccess;
}

}  // namespace

void add_history_command(CLI::App& app, ExitCode& result) {
  auto arguments = std::make_shared<HistoryArguments>();
  HistoryFilter& filter = arguments->filter;
  CLI::App* command = app.add_subcommand("history", "List earlier runs");
  command->add_option("--index", arguments->index, "the index file")->capture_default_str();
  command->add_option("--reindex", arguments->reindex, "rebuild the index from the records in these folders")
      ->check(CLI::ExistingPath);
  command->add_option("--case", filter.case_name, "part of the case's name");
  command->add_option("--gpu", filter.device, "part of the device's name");
  command->add_option("--model", filter.model, "part of the model's name");
  command->add_option("--engine", filter.engine, "part of the engine's name");
  command->add_option("--commit", filter.git_commit, "part of the commit");
  command->add_option("--status", filter.status, "ok, oom, timeout, crash, ...");
  command->add_option("--scope", filter.scope, "cold or warm");
  command->add_option("--id", filter.id_prefix, "start of the id");
  command->add_option("--since", filter.since_utc, "date or time, UTC");
  command->add_option("--until", filter.until_utc, "date or time, UTC");
  add_number(*command, "--limit", filter.limit, Bounds<int64_t>{1, 1'000'000}, "at most this many, newest first");
  command->callback([arguments, &result] { result = run_history(*arguments); });
}

}  // namespace wan::cli
