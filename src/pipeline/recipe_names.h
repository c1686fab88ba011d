// The names of the recipes, for those who need no more of them: options, suites, results.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wan {

inline constexpr std::string_view kOfficialRecipe = "official";

/// Whether a recipe's name is the official one's, or none is said.
constexpr bool is_official(std::string_view recipe) { return recipe.empty() || recipe == kOfficialRecipe; }

/// What --recipe may be, in the order of the table in recipe.cpp.
std::vector<std::string> recipe_names();

}  // namespace wan
