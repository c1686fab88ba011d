// The commands and options as they are declared, in a form that manual pages and completions are written from.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace wan::cli {

struct OptionText {
  std::vector<std::string> flags;  // "--output", "-o"; empty for a positional argument
  std::string name;                // a positional argument's name
  std::string value;               // what the value is called, such as FILE; empty for a flag that takes none
  std::vector<std::string> words;  // what the value may be, where that is a list
  std::string description;
  std::string default_value;  // empty where there is none
  bool required = false;
};

struct CommandText {
  std::vector<std::string> words;  // {"selftest", "overhead"}; empty for the program itself
  std::string description;
  std::vector<OptionText> options;    // positional arguments first
  std::vector<CommandText> commands;  // the ones below it
};

/// What one option declares.
OptionText option_text(const CLI::Option& option);

/// What `app` and everything below it declares; commands and options of the group "" are hidden and left out.
CommandText command_tree(const CLI::App& app);

}  // namespace wan::cli
