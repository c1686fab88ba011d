// `wanbench load`: a server of videos under load.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "analysis/load.h"
#include "base/build_info.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/load_result.h"
#include "cli/numbers.h"
#include "cli/prompts_file.h"
#include "cli/request_options.h"
#include "cli/signals.h"
#include "load/driver.h"
#include "load/http_target.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kIdleSeconds = 3;
constexpr int64_t kMostConcurrency = 10'000;
constexpr uint64_t kMostKeyBytes = 4096, kMostWorkflowBytes = uint64_t{4} << 20;

struct LoadCommand {
  std::string target, adapter = "wanbench";
  Request request;
  fs::path prompts, trace, workflow, api_key_file, output;
  std::vector<double> rates, shares;
  std::vector<int64_t> concurrency;
  std::vector<std::string> scenarios;
  load::LoadLength length;
  int64_t warm_up = 1, most_at_once = 256;
  double poll_s = 0.25, request_limit_s = 3600;
  std::optional<double> objective_multiple, objective_s;
  Wording wording = Wording::kText;
};

/// Of a request's options those that a client may ask a server for.
bool is_of_a_client(const Option& option) {
  static const std::vector<std::string_view> kKeys = {"prompt",     "negative_prompt", "width",           "height",
                                                      "num_frames", "recipe",          "steps",           "shift",
                                                      "seed",       "guidance_scale",  "guidance_scale_2"};
  return std::ranges::find(kKeys, option.key) != kKeys.end();
}

load::Order order_of(const PlannedVideo& video) {
  const Request& request = video.request;
  Request rest = request;
  const Request none;
  rest.prompt = none.prompt;
  rest.negative_prompt = none.negative_prompt;
  rest.width = none.width;
  rest.height = none.height;
  rest.num_frames = none.num_frames;
  rest.recipe = none.recipe;
  rest.steps = none.steps;
  rest.shift = none.shift;
  rest.seed = none.seed;
  rest.guidance_scale = none.guidance_scale;
  rest.guidance_scale_2 = none.guidance_scale_2;
  require(rest == none, fmt::format("{}: a server takes prompt, negative_prompt, width, height, num_frames, recipe, "
                                    "steps, shift, seed and guidance_scale of a client, and nothing else",
                                    video.where));
  return {request.prompt,           request.negative_prompt, request.width,  request.height,
          request.num_frames,       request.steps,           request.recipe, request.guidance_scale,
          request.guidance_scale_2, request.shift,           request.seed};
}

std::vector<load::Order> orders_of(const LoadCommand& options) {
  std::vector<load::Order> orders;
  if (options.prompts.empty()) {
    require(!options.request.prompt.empty(), "--prompt TEXT or --prompts FILE is needed: what is asked for",
            ErrorKind::kUsage);
    orders.push_back(order_of({"the command line", options.request, false}));
  } else {
    for (const PlannedVideo& video : read_prompts(options.prompts, options.request)) {
      require(options.scenarios.empty() || !video.has_own_seed,
              video.where + ": the line has a seed of its own, and of --scenario all videos have --seed: leave one out",
              ErrorKind::kUsage);
      orders.push_back(order_of(video));
    }
  }
  return orders;
}

/// Of the prompts in their order, a line feed behind each: what sha256sum says of a file with nothing else in it.
std::string prompts_sha256(const std::vector<load::Order>& orders) {
  std::string all;
  for (const load::Order& order : orders) all += order.prompt + "\n";
  return sha256_hex(all);
}

/// What is asked for beside words and seeds, which cost nothing: each value, or all that the prompts' file has, in
/// turn.
std::map<std::string, std::string> settings_of(const std::vector<load::Order>& orders) {
  constexpr size_t kMostText = 200;
  std::map<std::string, std::vector<std::string>> values;
  for (const load::Order& order : orders) {
    const auto add = [&](const char* key, bool is_given, const std::string& value) {
      values[key].push_back(is_given ? value : "the server's");
    };
    const auto number = [](const std::optional<double>& value) { return value ? fmt::format("{}", *value) : ""; };
    add("size", order.width > 0, fmt::format("{}x{}", order.width, order.height));
    add("num_frames", order.num_frames > 0, std::to_string(order.num_frames));
    add("steps", order.steps > 0, std::to_string(order.steps));
    add("recipe", !order.recipe.empty(), order.recipe);
    add("shift", order.shift.has_value(), number(order.shift));
    add("guidance_scale", order.guidance_scale.has_value(), number(order.guidance_scale));
    add("guidance_scale_2", order.guidance_scale_2.has_value(), number(order.guidance_scale_2));
  }
  std::map<std::string, std::string> settings;
  for (const auto& [key, all] : values) {
    const bool is_one = std::ranges::all_of(all, [&](const std::string& value) { return value == all.front(); });
    if (is_one && all.front() == "the server's") continue;
    const std::string text = is_one ? all.front() : fmt::format("{}", fmt::join(all, ", "));
    settings[key] =
        text.size() <= kMostText ? text : fmt::format("{} values, SHA-256 {}", all.size(), sha256_hex(text));
  }
  return settings;
}

std::vector<std::pair<std::string, std::string>> headers_of(const LoadCommand& options) {
  if (options.api_key_file.empty()) return {};
  std::istringstream lines(read_text(options.api_key_file, kMostKeyBytes));
  std::string key;
  std::getline(lines, key);
  while (!key.empty() && (key.back() == '\r' || key.back() == ' ')) key.pop_back();
  const bool is_plain = !key.empty() && std::ranges::all_of(key, [](unsigned char c) { return c > ' ' && c < 127; });
  require(is_plain, fmt::format("{}: expected an API key in its first line", options.api_key_file.string()));
  return {{"Authorization", "Bearer " + key}};
}

void require_sound(const LoadCommand& options) {
  const bool has_others = !options.concurrency.empty() || !options.rates.empty() || !options.trace.empty();
  require(has_others || !options.scenarios.empty(),
          "one of --rate, --concurrency, --trace and --scenario is needed: how the server is loaded",
          ErrorKind::kUsage);
  require(options.scenarios.empty() || (!has_others && options.shares.empty() && !options.length.duration_s),
          "--scenario says how the server is loaded: leave out --rate, --concurrency, --shares, --trace and --duration",
          ErrorKind::kUsage);
  require(options.scenarios.empty() || options.adapter != "comfyui",
          "--scenario asks for each video with the same seed, and ComfyUI answers what it had before from its cache: "
          "take --concurrency",
          ErrorKind::kUsage);
  require(options.shares.empty() || !options.concurrency.empty(),
          "--shares needs --concurrency: they are shares of the rate that it reaches", ErrorKind::kUsage);
  const bool needs_length = !options.concurrency.empty() || !options.rates.empty();
  require(!needs_length || options.length.requests || options.length.duration_s,
          "--requests N or --duration S is needed: how much is sent at each rate", ErrorKind::kUsage);
  require(!options.objective_multiple || !options.objective_s,
          "--objective and --objective-seconds say the same thing: give one", ErrorKind::kUsage);
  const size_t levels =
      options.concurrency.size() + options.shares.size() + options.rates.size() + options.scenarios.size() + 1;
  require(levels <= kMostLoadLevels,
          fmt::format("--concurrency, --shares, --rate and --scenario ask for more than {} loads: give fewer",
                      kMostLoadLevels - 1),
          ErrorKind::kUsage);
  const bool has_all_at_once =
      std::ranges::find(options.scenarios, enum_name(LoadScenario::kOffline)) != options.scenarios.end();
  require(!has_all_at_once || options.length.requests.value_or(0) + options.warm_up <= kMostConcurrency,
          fmt::format("--scenario Offline has all requests under way at once: {} at most, --warm-up included",
                      kMostConcurrency),
          ErrorKind::kUsage);
}

load::LevelPlan level_plan(const LoadCommand& options) {
  load::LevelPlan plan;
  plan.length = options.length;
  plan.warm_up = options.warm_up;
  plan.most_at_once = options.most_at_once;
  plan.request_limit_s = options.request_limit_s;
  return plan;
}

load::LevelPlan closed_plan(const LoadCommand& options, int64_t concurrency) {
  load::LevelPlan plan = level_plan(options);
  plan.mode = LoadMode::kClosed;
  plan.concurrency = concurrency;
  return plan;
}

void require_measured(const load::LevelPlan& plan, const std::string& what) {
  require(std::cmp_greater(plan.arrivals.size(), plan.warm_up),
          fmt::format("{} nothing is left to measure behind {} of --warm-up: take more --requests, a longer --duration "
                      "or a smaller --warm-up",
                      what, plan.warm_up),
          ErrorKind::kUsage);
}

load::LevelPlan poisson_plan(const LoadCommand& options, double rate) {
  load::LevelPlan plan = level_plan(options);
  plan.rate = rate;
  plan.arrivals = load::poisson_arrivals(rate, options.request.seed, options.warm_up, options.length);
  require_measured(plan, fmt::format("at {:.4g} requests a second", rate));
  return plan;
}

load::LevelPlan trace_plan(const LoadCommand& options) {
  load::LevelPlan plan = level_plan(options);
  plan.mode = LoadMode::kTrace;
  plan.arrivals = load::trace_arrivals(options.trace);
  const auto most = static_cast<size_t>(options.length.requests.value_or(kMostLoadRequests) + options.warm_up);
  if (plan.arrivals.size() > most) plan.arrivals.resize(most);
  require_measured(plan, fmt::format("of {}", options.trace.string()));
  const double begin = options.warm_up > 0 ? plan.arrivals[static_cast<size_t>(options.warm_up) - 1] : 0;
  if (options.length.duration_s)
    std::erase_if(plan.arrivals, [&](double at) { return at - begin > *options.length.duration_s; });
  require_measured(plan, fmt::format("of {}", options.trace.string()));
  if (plan.arrivals.size() > 1 && plan.arrivals.back() > 0)
    plan.rate = static_cast<double>(plan.arrivals.size() - 1) / plan.arrivals.back();
  return plan;
}

/// So many requests as there are prompts, unless --requests says otherwise. Of Offline all are under way from the
/// beginning, so that the last one may take as long as all of them.
load::LevelPlan scenario_plan(const LoadCommand& options, LoadScenario scenario, size_t prompts) {
  const int64_t requests = options.length.requests.value_or(static_cast<int64_t>(prompts));
  const bool is_offline = scenario == LoadScenario::kOffline;
  load::LevelPlan plan = closed_plan(options, is_offline ? requests + options.warm_up : 1);
  plan.scenario = scenario;
  plan.length.requests = requests;
  if (is_offline) plan.request_limit_s *= static_cast<double>(plan.concurrency);
  return plan;
}

/// A test that is under way: each level is on the disk once it is over.
class Loading {
 public:
  Loading(const LoadCommand& options, std::vector<load::Order> orders, load::HttpTarget& target, const StopSource& stop)
      : options_(options),
        orders_(std::move(orders)),
        driver_(
            target, [this](size_t number) { return next_order(number); }, [&stop] { return stop.stop_requested(); }) {}

  LoadTest& test() { return test_; }
  void idle() { test_.idle_power = driver_.idle(kIdleSeconds); }

  void run(const load::LevelPlan& plan) {
    load::LevelResult result = driver_.run(plan);
    sent_ += result.level.requests.size();
    test_.levels.push_back(std::move(result.level));
    if (!result.last.currency.empty()) test_.currency = result.last.currency;
    test_.why_no_energy = result.last.why_no_energy;
    test_.why_no_price = result.last.why_no_price;
    if (!options_.output.empty()) write_atomically(options_.output / kLoadFile, to_json(test_));
    const LoadSummary level = summarise(test_.levels.back(), test_);
    log::info(fmt::format("{}: {} of {} completed{}", level.name(), level.completed, level.asked,
                          level.per_s ? fmt::format(", {:.1f} videos an hour", *level.per_s * 3600) : ""));
  }

 private:
  /// The prompts in turn, each video with a seed of its own unless they are to have one.
  std::pair<load::Order, int64_t> next_order(size_t number) const {
    const size_t all = sent_ + number;
    load::Order order = orders_[all % orders_.size()];
    if (!test_.has_one_seed) order.seed += all;
    return {std::move(order), static_cast<int64_t>(all % orders_.size())};
  }

  const LoadCommand& options_;
  std::vector<load::Order> orders_;
  size_t sent_ = 0;
  LoadTest test_;
  load::Driver driver_;
};

void run_levels(const LoadCommand& options, Loading& loading) {
  for (const std::string& scenario : options.scenarios)
    loading.run(scenario_plan(options, enum_value<LoadScenario>(scenario).value(),
                              static_cast<size_t>(loading.test().prompts)));
  for (const int64_t concurrency : options.concurrency) loading.run(closed_plan(options, concurrency));
  std::vector<LoadSummary> closed;
  for (const LoadLevel& level : loading.test().levels) closed.push_back(summarise(level, loading.test()));
  const LoadSummary* most = saturation(closed);
  require(options.shares.empty() || most != nullptr,
          "--shares: fewer than two videos were completed, so no rate is known", ErrorKind::kRuntime);
  for (const double share : options.shares) loading.run(poisson_plan(options, share * *most->per_s));
  for (const double rate : options.rates) loading.run(poisson_plan(options, rate));
  if (!options.trace.empty()) loading.run(trace_plan(options));
}

void describe(const LoadCommand& options, const load::Adapter& adapter, const load::ServerFacts& facts,
              const std::vector<load::Order>& orders, LoadTest& test) {
  test.created_utc = utc_now();
  test.tool_version = build_info().version;
  test.tool_revision = build_info().revision;
  test.url = options.target;
  test.adapter = options.adapter;
  test.adapter_tried = adapter.tried();
  test.model = facts.model;
  test.server = facts.server;
  test.settings = settings_of(orders);
  test.prompts = static_cast<int64_t>(orders.size());
  test.prompts_sha256 = prompts_sha256(orders);
  test.seed = options.request.seed;
  test.has_one_seed = !options.scenarios.empty();
  test.poll_s = options.poll_s;
  test.objective_multiple = options.objective_multiple;
  test.objective_s = options.objective_s;
}

ExitCode run_load(const LoadCommand& options) {
  load::require_http_client();
  const StopSource& stop = stop_on_signals({.tells = true, .patience = std::chrono::seconds(5)});
  require_sound(options);
  const load::Url url = load::parse_url(options.target);
  const std::vector<load::Order> orders = orders_of(options);
  // What cannot be is told before anything is sent.
  if (!options.trace.empty()) trace_plan(options);
  for (const double rate : options.rates) poisson_plan(options, rate);
  if (!options.output.empty()) {
    require_writable(options.output, 0);
    std::error_code missing;
    require(!fs::exists(options.output / kLoadFile, missing),
            fmt::format("--output {}: holds a {} already: name another folder", options.output.string(), kLoadFile),
            ErrorKind::kUsage);
  }
  const std::string workflow = options.workflow.empty() ? "" : read_text(options.workflow, kMostWorkflowBytes);
  const std::unique_ptr<load::Adapter> adapter = load::make_adapter(options.adapter, {workflow});
  for (const load::Order& order : orders) adapter->require_takes(order);
  load::HttpClient client(url, {}, headers_of(options));
  load::HttpTarget target(client, *adapter, {.poll_s = options.poll_s}, [&stop] { return stop.stop_requested(); });
  const load::ServerFacts facts = target.probe();
  Loading loading(options, orders, target, stop);
  describe(options, *adapter, facts, orders, loading.test());
  try {
    loading.test().why_no_power = target.watch_power();
    if (loading.test().why_no_power.empty()) loading.idle();
    run_levels(options, loading);
  } catch (const Error&) {
    target.flush();
    throw;
  }
  target.flush();
  const LoadView view(loading.test());
  options.wording == Wording::kJson ? print_json(json_of(view)) : print_load(view);
  const auto failed = [](const LoadRequest& request) { return !request.warm_up && !request.completed(); };
  const auto has_failed = [&](const LoadLevel& level) { return std::ranges::any_of(level.requests, failed); };
  return std::ranges::any_of(loading.test().levels, has_failed) ? ExitCode::kFailure : ExitCode::kSuccess;
}

void add_levels(CLI::App& command, LoadCommand& options) {
  constexpr Bounds<double> kRate{1e-6, 1e4}, kShare{0.01, 100};
  add_numbers(command, "--concurrency", options.concurrency, Bounds<int64_t>{1, kMostConcurrency},
              "closed load: so many requests under way, a new one when one ends; several, one after another: 1,2,4")
      ->type_name("N,...")
      ->delimiter(',');
  add_numbers(command, "--shares", options.shares, kShare,
              "then open loads at these shares of the most videos a second that --concurrency reached: 0.3,0.6,0.9")
      ->type_name("X,...")
      ->delimiter(',');
  add_numbers(command, "--rate", options.rates, kRate,
              "open load: requests a second by a Poisson process, whatever the server does; several: 0.1,0.2,0.4")
      ->type_name("R,...")
      ->delimiter(',');
  command
      .add_option(
          "--scenario", options.scenarios,
          "closed load by MLPerf's name: SingleStream, one video after another, or Offline, all queued at once; "
          "each prompt once unless --requests says otherwise, every video with the same --seed; both: "
          "SingleStream,Offline")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(enum_words<LoadScenario>()));
  command.add_option("--trace", options.trace, "open load: a file with the seconds at which to send, a line each")
      ->type_name("FILE");
  add_number(command, "--requests", options.length.requests,
             Bounds<int64_t>{1, static_cast<int64_t>(kMostLoadRequests)}, "of each level, after its warm-up")
      ->type_name("N");
  add_number(command, "--duration", options.length.duration_s, Bounds<double>{0.001, 1e7},
             "seconds in which a level sends, after its warm-up; what is under way then is waited for")
      ->type_name("S");
  add_number(command, "--warm-up", options.warm_up, Bounds<int64_t>{0, 10'000},
             "requests that a level begins with and that count for nothing")
      ->type_name("N");
  add_number(command, "--most-at-once", options.most_at_once, Bounds<int64_t>{1, 10'000},
             "requests under way of an open load; one more waits, and that wait is in its latency")
      ->type_name("N");
}

void add_server(CLI::App& command, LoadCommand& options) {
  command.add_option("--target", options.target, "the server: http://127.0.0.1:8080")->required()->type_name("URL");
  command.add_option("--adapter", options.adapter, "what kind of server it is")
      ->check(CLI::IsMember(load::adapter_names()))
      ->default_str(options.adapter);
  command
      .add_option("--workflow", options.workflow,
                  "of the adapter comfyui: a workflow in API format with {seed}, {prompt}, {negative_prompt}, {steps}, "
                  "{width}, {height} and {num_frames} where a request's own values go")
      ->type_name("FILE");
  command
      .add_option("--api-key-file", options.api_key_file,
                  "file whose first line is the key that goes with each request (Authorization: Bearer)")
      ->type_name("FILE");
  add_number(command, "--poll-seconds", options.poll_s, Bounds<double>{0.01, 3600},
             "how often the state of a request is asked for where the server pushes nothing")
      ->type_name("S");
  add_number(command, "--request-seconds", options.request_limit_s, Bounds<double>{0.1, 1e6},
             "how long a request may take; then it is given up and counts as timed out. Of Offline: so long times the "
             "number of requests")
      ->type_name("S");
}

void add_judgement(CLI::App& command, LoadCommand& options) {
  add_number(command, "--objective", options.objective_multiple, Bounds<double>{0.01, 1e6},
             "goodput: a request is to be over within so many times the seconds that the server expected of it")
      ->type_name("X");
  add_number(command, "--objective-seconds", options.objective_s, Bounds<double>{0.001, 1e7},
             "goodput: within so many seconds, all requests alike")
      ->type_name("S");
  command
      .add_option(flags::kOutput, options.output,
                  fmt::format("folder for {}, of which `report` makes a page", kLoadFile))
      ->type_name("DIR");
  add_json_flag(command, options.wording);
}

}  // namespace

void add_load_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<LoadCommand>();
  CLI::App* command = app.add_subcommand("load", "Load a server of videos and measure latency, rate and energy");
  add_server(*command, *options);
  add_levels(*command, *options);
  command
      ->add_option("--prompts", options->prompts,
                   "a prompt a line, taken in turn, or a JSON object with the options of a request")
      ->type_name("FILE");
  add_request_options(*command, options->request, VideoFile::kNo, is_of_a_client);
  add_judgement(*command, *options);
  command->footer(
      "Latency counts from the time at which a request was to be sent. Videos stay on the server. Exit codes: 0 all "
      "requests were completed, 1 some were not.");
  command->callback([options, &result] { result = run_load(*options); });
}

}  // namespace wan::cli
