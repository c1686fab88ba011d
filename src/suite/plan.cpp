#include "suite/plan.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/subprocess.h"
#include "pipeline/decisions.h"
#include "pipeline/guidance.h"
#include "pipeline/request_json.h"
#include "pipeline/request_text.h"
#include "pipeline/request_words.h"
#include "results/json.h"
#include "suite/command.h"
#include "suite/decided.h"
#include "suite/requested_workload.h"
#include "suite/weights.h"

namespace wan::suite {
namespace {

bool is_named(const Case& details, const std::string& name) {
  return details.name == name ||
         std::find(details.aliases.begin(), details.aliases.end(), name) != details.aliases.end();
}

std::vector<Case> chosen(const Suite& suite, const std::vector<std::string>& only) {
  if (only.empty()) return suite.cases;
  std::string names;
  for (const Case& details : suite.cases) names += (names.empty() ? "" : ", ") + details.name;
  for (const std::string& name : only)
    require(std::any_of(suite.cases.begin(), suite.cases.end(), [&](const Case& c) { return is_named(c, name); }),
            fmt::format("--case {}: the suite '{}' has no such case; it has {}", name, suite.name, names),
            ErrorKind::kUsage);
  std::vector<Case> cases;
  for (const Case& details : suite.cases)
    if (std::any_of(only.begin(), only.end(), [&](const std::string& name) { return is_named(details, name); }))
      cases.push_back(details);
  return cases;
}

/// The first that holds the model; the first of all when none does, for a later check to refuse in its own words.
const std::filesystem::path& checkpoint_for(const std::string& model,
                                            const std::vector<std::filesystem::path>& checkpoints) {
  if (model.empty() || checkpoints.size() == 1) return checkpoints.front();
  const auto found = std::find_if(checkpoints.begin(), checkpoints.end(), [&](const std::filesystem::path& checkpoint) {
    return holds_model(checkpoint, model);
  });
  return found == checkpoints.end() ? checkpoints.front() : *found;
}

void complete(Request& request, const Suite& suite, const PlanOptions& options) {
  if (request.model.empty()) request.model = options.model;
  if (options.random_weights) {
    request.random_weights = true;
    request.set_weights({});
  }
  if (!options.checkpoints.empty()) {
    request.random_weights = false;
    request.stored_as.reset();
    request.set_weights({});
    request.checkpoint = checkpoint_for(request.model, options.checkpoints);
  }
  // A checkpoint says itself what it is: the suite's own is for weights that have no file, and in no key but theirs.
  if (request.model.empty() && request.random_weights && options.command.empty()) request.model = suite.model;
  if (!request.names_weights() && !request.random_weights) request.checkpoint = options.default_checkpoint;
  if (!options.device.empty()) request.device = options.device;
  if (request.device.empty()) request.device = options.default_device;
  if (!options.gpus.empty()) request.gpus = options.gpus;
  if (!options.parallel.empty()) request.parallel = options.parallel;
  if (options.precision) request.precision = options.precision;
  if (options.gpu_memory_limit) request.gpu_memory_limit = options.gpu_memory_limit;
  if (!options.tuning_table.empty()) request.tuning_table = std::filesystem::absolute(options.tuning_table);
}

void fill_from_decisions(Workload& work, const Decisions& plan) {
  work.model = plan.model;
  work.task = plan.task;
  work.width = plan.width;
  work.height = plan.height;
  work.num_frames = plan.num_frames;
  work.fps = plan.fps;
  work.recipe = plan.recipe;
  work.steps = plan.steps;
  work.solver = enum_name(plan.solver);
  work.shift = plan.shift;
  work.guidance_low = plan.guidance_low;
  if (plan.experts > 1) {
    work.guidance_high = plan.guidance_high;
    work.boundary = plan.split_step ? std::nullopt : std::optional(plan.boundary);
    work.split_step = plan.split_step;
  }
  work.prompt = plan.prompt;
  work.negative_prompt = plan.negative_prompt;
  work.dtypes = computed_words(plan);
  work.precision_class = precision_class(plan);
  work.approximations = plan.approximations;
  work.text_encoder_device = plan.text_encoder_device;
}

std::string key_of(const PlannedCase& planned, const std::vector<std::string>& command) {
  Request request = by_expert(planned.details.request);
  // Where the weights lie does not matter, which they are does.
  request.set_weights({});
  request.lora = request.lora_high = request.lora_low = {};
  if (request.recipe.empty()) request.solver = with_recipe_named(request).solver;  // as before there were recipes
  const std::string tuning = file_digest(request.tuning_table);
  request.tuning_table.clear();
  const std::string curve = file_digest(request.cache_curve);
  request.cache_curve.clear();
  if (request.step_cache == StepCache::kOff) request.step_cache.reset();
  std::string text = planned.details.name + "\n" + request_json(request);
  if (!tuning.empty()) text += "\ntuning table " + tuning;
  if (!curve.empty()) text += "\ncache curve " + curve;
  for (const WeightsFile& file : planned.workload.weights) text += "\n" + file.component + " " + text_of(file);
  for (const std::string& word : command) text += "\n$ " + word;
  if (planned.page_cache != PageCacheSetting::kAsIs)
    text += planned.page_cache == PageCacheSetting::kHot ? "\npage cache hot" : "\npage cache evicted";
  return sha256_hex(text).substr(0, 32);
}

}  // namespace

std::vector<std::string> leave_out_other_models(Suite& suite, const PlanOptions& options) {
  std::vector<std::string> lines;
  if (options.random_weights || !options.only.empty() || !options.command.empty()) return lines;
  const auto& given = options.checkpoints.empty() ? std::vector{options.default_checkpoint} : options.checkpoints;
  std::erase_if(suite.cases, [&](const Case& details) {
    const Request& request = details.request;
    const bool has_its_own = options.checkpoints.empty() && (request.random_weights || request.names_weights());
    if (request.model.empty() || has_its_own) return false;
    if (std::any_of(given.begin(), given.end(), [&](const auto& folder) { return holds_model(folder, request.model); }))
      return false;
    lines.push_back(fmt::format("{}: left out, it needs a {} checkpoint: name one with another --checkpoint",
                                details.name, request.model));
    return true;
  });
  return lines;
}

std::vector<PlannedCase> plan_cases(const Suite& suite, const PlanOptions& options) {
  std::vector<PlannedCase> plan;
  std::map<WeightChoice, std::vector<WeightsFile>> known;
  for (const Case& details : chosen(suite, options.only)) {
    PlannedCase planned{details, {}, {}, options.page_cache};
    Request& request = planned.details.request;
    complete(request, suite, options);
    try {
      planned.workload = requested_workload(request);
      if (options.command.empty()) {
        fill_from_decisions(planned.workload, decide(request));
        if (!request.random_weights) {
          auto [found, fresh] = known.try_emplace(request.weights());
          if (fresh) found->second = weight_files(request.weights());
          planned.workload.weights = found->second;
        } else {
          planned.workload.weights = {{"dit", request.model, 0, "random", "random"}};
          for (WeightsFile& lora : lora_files(request.weights())) planned.workload.weights.push_back(std::move(lora));
        }
      } else {
        planned.workload.weights = lora_files(request.weights());
        expand_command(options.command, details, "x.mp4");
      }
    } catch (const Error& problem) {
      throw Error(problem.kind(), fmt::format("case {}: {}", details.name, problem.what()));
    }
    planned.key = key_of(planned, options.command);
    plan.push_back(std::move(planned));
  }
  return plan;
}

}  // namespace wan::suite
