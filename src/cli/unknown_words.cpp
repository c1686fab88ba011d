#include "cli/unknown_words.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/near_words.h"

namespace wan::cli {
namespace {

/// "-5" and "-.5" are values; "-" is a file's name.
bool is_option(const std::string& word) {
  if (word.size() < 2 || word[0] != '-') return false;
  const auto second = static_cast<unsigned char>(word[1]);
  return std::isdigit(second) == 0 && second != '.';
}

std::vector<std::string> options_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    if (!option->get_group().empty())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> commands_of(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* below : command.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); }))
    names.push_back(below->get_name());
  return names;
}

const CLI::App* command_named(const CLI::App& command, const std::string& name) {
  const auto found = command.get_subcommands([&](const CLI::App* one) { return one->check_name(name); });
  return found.empty() ? nullptr : found.front();
}

std::string path_of(const CLI::App& command) {
  const CLI::App* above = command.get_parent();
  return above == nullptr ? command.get_name() : path_of(*above) + " " + command.get_name();
}

}  // namespace

std::optional<std::string> unknown_word(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* command = &app;
  for (size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::string& word = arguments[i];
    if (is_option(word)) {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = command->get_option_no_throw(name);
      if (option == nullptr)
        return fmt::format("{} has no option {}{}", path_of(*command), name, did_you_mean(name, options_of(*command)));
      if (name.size() == word.size()) i += static_cast<size_t>(std::max(option->get_items_expected_min(), 0));
    } else if (const std::vector<std::string> below = commands_of(*command); !below.empty()) {
      const CLI::App* next = command_named(*command, word);
      if (next == nullptr && (word == "help" || word == "version"))
        return fmt::format("{} has no command '{}': write --{}", path_of(*command), word, word);
      if (next == nullptr)
        return fmt::format("{} has no command '{}'{}", path_of(*command), word, did_you_mean(word, below));
      command = next;
    }
  }
  return std::nullopt;
}

}  // namespace wan::cli
