#include "pipeline/request_text.h"

#include "pipeline/guidance.h"
#include "pipeline/recipe.h"
#include "pipeline/request_options.h"

namespace wan {

Request with_recipe_named(Request request) {
  if (request.recipe.empty()) request.recipe = kOfficialRecipe;
  if (request.recipe == kOfficialRecipe && !request.solver) request.solver = recipes().front().solver;
  return request;
}

std::map<std::string, std::string> texts_of_case(const Request& request) {
  const Request named = with_recipe_named(in_both_spellings(request));
  std::map<std::string, std::string> texts;
  request_options(
      [&](const Option& option, const auto& member, const auto&) {
        if (!option.is_output()) texts.emplace(option.key, text_of(member));
      },
      named);
  return texts;
}

std::map<std::string, std::string> texts_of_video(const Request& request) {
  std::map<std::string, std::string> texts;
  request_options(
      [&](const Option& option, const auto& member, const auto&) {
        if (option.in_video() && is_given(member)) texts.emplace(option.key, text_of(member));
      },
      request);
  return texts;
}

}  // namespace wan
