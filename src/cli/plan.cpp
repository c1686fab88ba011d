// `wanbench plan`: what a video, a suite or a checkpoint takes on a card, before anything is loaded.
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/flags.h"
#include "cli/commands.h"
#include "cli/json_document.h"
#include "cli/numbers.h"
#include "cli/plan_table.h"
#include "cli/plan_text.h"
#include "cli/request_options.h"
#include "suite/case.h"

namespace wan::cli {
namespace {

struct PlanOptions {
  Request request;
  std::filesystem::path suite;
  std::string card;
  bool table = false, verbose = false;
  Wording wording = Wording::kText;
};

/// What decides memory and time. Where to compute is the card's, and nothing is written.
bool is_wanted(const Option& option) { return !option.is_output() && option.flag != flags::kDevice; }

/// On a card; a model that is named without its weights is one of the published sizes.
Request for_card(Request request) {
  request.device = "cuda:0";
  if (!request.names_weights() && !request.model.empty()) request.random_weights = true;
  require(request.names_weights() || request.random_weights,
          fmt::format("plan: name what to plan: {} PATH, {} NAME for a published size, --suite FILE, or --table",
                      flags::kCheckpoint, flags::kModel),
          ErrorKind::kUsage);
  return request;
}

std::vector<VideoPlan> plan_suite(const PlanOptions& options, const PlannedCard& card) {
  const suite::Suite suite = suite::read_suite(options.suite);
  std::vector<VideoPlan> videos;
  for (const suite::Case& one : suite.cases) {
    Request request = one.request;
    if (request.model.empty()) request.model = options.request.model.empty() ? suite.model : options.request.model;
    if (!request.names_weights() && options.request.names_weights()) {
      const std::vector<std::string> loras = request.lora;
      request.set_weights(options.request.weights());
      request.lora = loras;
      request.random_weights = false;
      request.stored_as.reset();
    }
    videos.push_back(plan_video(one.name, checked(for_card(request)), card));
  }
  return videos;
}

ExitCode run_plan(const PlanOptions& options) {
  if (options.table) {
    require(options.card.empty() && options.suite.empty() && options.request.model.empty() &&
                !options.request.gpu_memory_limit,
            "plan --table is of every model and memory: leave out --card, --suite, --model and --gpu-memory-limit",
            ErrorKind::kUsage);
    const std::vector<FitRow> rows = plan_table();
    options.wording == Wording::kJson ? print_json(json_of(rows)) : print_table(rows);
    return ExitCode::kSuccess;
  }
  const std::optional<Request> request =
      options.suite.empty() ? std::optional(understand(for_card(options.request))) : std::nullopt;
  const PlannedCard card = planned_card(options.card, options.request.gpu_memory_limit);
  const std::vector<VideoPlan> videos =
      request ? std::vector{plan_video({}, *request, card)} : plan_suite(options, card);
  if (options.wording == Wording::kJson)
    print_json(json_of(card, videos));
  else
    print_plans(card, videos, options.verbose ? Detail::kErrors : Detail::kPlain);
  return ExitCode::kSuccess;
}

}  // namespace

void add_plan_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* command =
      app.add_subcommand("plan", "Say what a video, a suite or a checkpoint takes on a card, before anything loads");
  add_request_options(*command, options->request, VideoFile::kNo, is_wanted);
  command->add_option("--suite", options->suite, "plan every case of a suite's file instead")->type_name("FILE");
  command
      ->add_option("--card", options->card,
                   "plan for a card of suites/peaks.json, as h200 or 'rtx pro 6000', whose host holds everything; "
                   "default: the first card here, by its free memory, and this host")
      ->type_name("NAME");
  command->add_flag("--table", options->table,
                    "instead: what fits in 8 to 141 GiB, of the published models at their usual sizes, predicted and "
                    "measured");
  command->add_flag("--verbose", options->verbose, "add how near the seconds come to each of the card's records");
  add_json_flag(*command, options->wording);
  command->footer("Exit codes: 0 planned, whether it fits or not; 2 bad usage or input.");
  command->callback([options, &result] { result = run_plan(*options); });
}

}  // namespace wan::cli
