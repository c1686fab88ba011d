// The table. Sources as each row names them; numbers and their tests: tests/sampler/few_steps_test.cpp.
#include "pipeline/recipe.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "io/printable.h"
#include "sampler/few_steps.h"
#include "sampler/sampler.h"

namespace wan {
namespace {

constexpr std::array<std::string_view, 2> kTwoExperts{"t2v", "i2v"};
constexpr std::array<std::string_view, 1> kTextExperts{"t2v"}, kImageExperts{"i2v"}, kOneModel{"ti2v"};
constexpr std::array<int, 4> kLightX2vList{1000, 750, 500, 250};
constexpr std::array<int, 3> kFastWanList{1000, 757, 522};

constexpr Recipe lightning(std::string_view name, std::string_view title, int steps) {
  return {.name = name,
          .title = title,
          .source = "Wan2.2-Lightning wan/utils/fm_solvers_euler.py, wan/text2video.py",
          .tasks = kTwoExperts,
          .schedule = ScheduleKind::kEven,
          .solver = Solver::kEuler,
          .steps = steps,
          .shift = 5.0,
          .guidance = 1.0};
}

/// Of text it is run with fresh noise and a largest sigma of 80, from an image without noise and with 200.
constexpr Recipe rcm(std::string_view name, std::string_view title, int steps, bool from_image) {
  return {.name = name,
          .title = title,
          .source = "TurboDiffusion inference/wan2.1_t2v_infer.py, inference/wan2.2_i2v_infer.py",
          .tasks = from_image ? std::span<const std::string_view>(kImageExperts) : kTextExperts,
          .schedule = ScheduleKind::kTangent,
          .solver = from_image ? Solver::kEuler : Solver::kLcm,
          .sigma_max = from_image ? 200.0 : 80.0,
          .steps = steps,
          .most_steps = kMostTangentSteps,
          .guidance = 1.0};
}

constexpr std::array kRecipes{
    Recipe{.name = kOfficialRecipe,
           .title = "the model's own steps, shift, guidance and boundary",
           .source = "Wan2.2 wan/configs, wan/text2video.py",
           .tasks = {}},
    lightning("lightning-4", "4 steps of Wan2.2-Lightning", 4),
    lightning("lightning-8", "8 steps of Wan2.2-Lightning", 8),
    Recipe{.name = "lightx2v-4",
           .title = "4 steps of LightX2V's distilled models",
           .source = "LightX2V models/schedulers/wan/step_distill/scheduler.py, configs/distill/wan22",
           .tasks = kTwoExperts,
           .schedule = ScheduleKind::kList,
           .solver = Solver::kEuler,
           .timesteps = kLightX2vList,
           .steps = 4,
           .least_steps = 4,
           .most_steps = 4,
           .shift = 5.0,
           .guidance = 1.0,
           .split_step = 2},
    Recipe{.name = "fastwan-3",
           .title = "3 steps of FastWan with fresh noise; FastVideo itself has shift 8",
           .source = "FastVideo pipelines/stages/denoising.py (DmdDenoisingStage), configs/pipelines/wan.py",
           .tasks = kOneModel,
           .image = Presence::kNever,
           .schedule = ScheduleKind::kNearest,
           .solver = Solver::kLcm,
           .timesteps = kFastWanList,
           .steps = 3,
           .least_steps = 3,
           .most_steps = 3,
           .shift = 5.0,
           .guidance = 1.0,
           .draws = DrawOrder::kFramesFirst},
    rcm("rcm-1", "1 step of rCM", 1, false),
    rcm("rcm-1", "1 step of rCM", 1, true),
    rcm("rcm-2", "2 steps of rCM", 2, false),
    rcm("rcm-2", "2 steps of rCM", 2, true),
    rcm("rcm-3", "3 steps of rCM", 3, false),
    rcm("rcm-3", "3 steps of rCM", 3, true),
    rcm("rcm-4", "4 steps of rCM", 4, false),
    rcm("rcm-4", "4 steps of rCM", 4, true),
    Recipe{.name = "20-step-split",
           .title = "20 steps of the official solver, 10 with each expert",
           .source = "usual in ComfyUI's workflows",
           .tasks = kTwoExperts,
           .steps = 20,
           .split_step = 10},
};

std::string text_of(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == names.size() ? " or " : ", ", names[i]);
  return text;
}

template <class Wanted>
std::vector<std::string> names_of(Wanted wanted) {
  std::vector<std::string> names;
  for (const Recipe& recipe : kRecipes)
    if (wanted(recipe) && std::find(names.begin(), names.end(), recipe.name) == names.end())
      names.emplace_back(recipe.name);
  return names;
}

/// "t2v-A14B, i2v-A14B": of all rows of a name.
std::string models_of(std::string_view name) {
  std::vector<std::string_view> models;
  for (const Variant& variant : variants())
    if (std::any_of(kRecipes.begin(), kRecipes.end(),
                    [&](const Recipe& recipe) { return recipe.name == name && recipe.fits(variant); }))
      models.push_back(variant.name);
  return fmt::format("{}", fmt::join(models, ", "));
}

}  // namespace

bool Recipe::fits(const Variant& variant) const {
  return tasks.empty() || std::find(tasks.begin(), tasks.end(), variant.task) != tasks.end();
}

Schedule Recipe::make_schedule(Solver official, int count, double with_shift) const {
  switch (schedule) {
    case ScheduleKind::kOfficial: return wan::make_schedule(official, count, with_shift);
    case ScheduleKind::kEven: return even_schedule(count, with_shift);
    case ScheduleKind::kList: return list_schedule(timesteps, with_shift);
    case ScheduleKind::kNearest: return nearest_schedule(timesteps, with_shift);
    case ScheduleKind::kTangent: return tangent_schedule(count, sigma_max);
  }
  throw Error("unknown schedule");
}

std::span<const Recipe> recipes() { return kRecipes; }

std::vector<std::string> recipe_names() {
  return names_of([](const Recipe&) { return true; });
}

std::string recipe_names_text(const Variant& variant) {
  return text_of(names_of([&](const Recipe& recipe) { return recipe.fits(variant); }));
}

std::string_view recipe_by_name(const std::filesystem::path& file, const Variant& variant) {
  // The number of steps stands in the names of Lightning's and lightx2v's files; they are sampled alike.
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords{{{"4step", "lightning-4"},
                                                                                 {"4-step", "lightning-4"},
                                                                                 {"4_step", "lightning-4"},
                                                                                 {"8step", "lightning-8"},
                                                                                 {"8-step", "lightning-8"},
                                                                                 {"8_step", "lightning-8"},
                                                                                 {"fastwan", "fastwan-3"}}};
  std::string name = file.filename().string();
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto speaks_of = [&](std::string_view word) {
    const size_t at = name.find(word);
    return at != std::string::npos && (at == 0 || std::isdigit(static_cast<unsigned char>(name[at - 1])) == 0);
  };
  for (const auto& [word, recipe_name] : kWords)
    for (const Recipe& recipe : kRecipes)
      if (recipe.name == recipe_name && recipe.fits(variant) && speaks_of(word)) return recipe.name;
  return {};
}

const Recipe& recipe_for(std::string_view asked, const Variant& variant, bool from_image) {
  const std::string_view name = asked.empty() ? kOfficialRecipe : asked;
  bool is_known = false;
  for (const Recipe& recipe : kRecipes) {
    if (recipe.name != name) continue;
    is_known = true;
    if (!recipe.fits(variant)) continue;
    require(recipe.image != Presence::kNever || !from_image,
            fmt::format("--recipe {} is for text to video alone: leave out --image, or use another recipe", name),
            ErrorKind::kUsage);
    return recipe;
  }
  require(is_known,
          fmt::format("--recipe {}: there is no such recipe; there are {}", printable(asked), text_of(recipe_names())),
          ErrorKind::kUsage);
  throw Error(ErrorKind::kUsage, fmt::format("--recipe {} is for {}; for this model, {}, there are {}", name,
                                             models_of(name), variant.name, recipe_names_text(variant)));
}

}  // namespace wan
