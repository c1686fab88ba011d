#include "cli/command_tree.h"

#include <algorithm>
#include <string_view>

#include <CLI/CLI.hpp>

namespace wan::cli {
namespace {

/// CLI11 writes a type as "TEXT:{a,b}", "TEXT:FILE" or "INT:INT in [1 - 9]": the type, then what checks it.
void read_type(const std::string& type, OptionText& option) {
  const size_t colon = type.find(':');
  option.value = type.substr(0, colon);
  if (colon == std::string::npos) return;
  const std::string_view check = std::string_view(type).substr(colon + 1);
  const size_t open = check.find('{'), close = check.find('}');
  if (open != std::string_view::npos && close != std::string_view::npos) {
    std::string word;
    for (const char c : check.substr(open + 1, close - open - 1)) {
      if (c != ',') {
        word += c;
      } else {
        option.words.push_back(std::move(word));
        word.clear();
      }
    }
    option.words.push_back(std::move(word));
  } else if (check.starts_with("FILE") || check.starts_with("DIR") || check.starts_with("PATH")) {
    option.value = check.substr(0, check.find('('));
  }
}

CommandText describe(const CLI::App& app, std::vector<std::string> words) {
  CommandText text{.words = std::move(words), .description = app.get_description(), .options = {}, .commands = {}};
  for (const CLI::Option* option : app.get_options([](const CLI::Option* one) { return !one->get_group().empty(); }))
    text.options.push_back(option_text(*option));
  std::ranges::stable_partition(text.options, [](const OptionText& option) { return !option.name.empty(); });
  for (const CLI::App* below : app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); })) {
    std::vector<std::string> path = text.words;
    path.push_back(below->get_name());
    text.commands.push_back(describe(*below, std::move(path)));
  }
  return text;
}

}  // namespace

OptionText option_text(const CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_lnames()) text.flags.push_back("--" + name);
  for (const std::string& name : option.get_snames()) text.flags.push_back("-" + name);
  if (option.get_positional()) text.name = option.get_name(true);
  if (option.get_items_expected_max() > 0) read_type(option.get_type_name(), text);
  text.description = option.get_description();
  text.default_value = option.get_default_str();
  text.required = option.get_required();
  return text;
}

CommandText command_tree(const CLI::App& app) { return describe(app, {}); }

}  // namespace wan::cli
