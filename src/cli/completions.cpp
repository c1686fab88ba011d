#include "cli/completions.h"

#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan::cli {
namespace {

void walk(const CommandText& command, const std::function<void(const CommandText&)>& visit) {
  visit(command);
  for (const CommandText& below : command.commands) walk(below, visit);
}

/// Text between single quotes, of a shell: a quote ends it, is written, and starts it again.
std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// fish knows a backslash before a quote instead.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "'";
}

std::string path_of(const CommandText& command) { return fmt::format("{}", fmt::join(command.words, " ")); }

std::vector<std::string> names_below(const CommandText& command) {
  std::vector<std::string> names;
  for (const CommandText& below : command.commands) names.push_back(below.words.back());
  return names;
}

/// The first line of a help text is enough beside a word that is offered.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void add_bash_command(const CommandText& command, std::string& states, std::string& values, std::string& words) {
  const std::string path = path_of(command);
  for (const CommandText& below : command.commands)
    states +=
        fmt::format("      {}) command={} ;;\n", in_quotes(path + "|" + below.words.back()), in_quotes(path_of(below)));
  std::vector<std::string> offered = names_below(command);
  for (const OptionText& option : command.options) {
    offered.insert(offered.end(), option.flags.begin(), option.flags.end());
    if (option.value.empty()) continue;
    for (const std::string& flag : option.flags)
      values += option.words.empty() ? fmt::format("    {}) return ;;\n", in_quotes(path + "|" + flag))
                                     : fmt::format("    {}) COMPREPLY=($(compgen -W {} -- \"$current\")); return ;;\n",
                                                   in_quotes(path + "|" + flag),
                                                   in_quotes(fmt::format("{}", fmt::join(option.words, " "))));
  }
  words += fmt::format("    {}) words={} ;;\n", in_quotes(path), in_quotes(fmt::format("{}", fmt::join(offered, " "))));
}

/// What _arguments is told of an option: '(--a -b)'{--a,-b}'[help]:value:(words)'.
std::string zsh_option(const OptionText& option) {
  std::string help;
  for (const char c : first_line(option.description)) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') help += '\\';
    help += c;
  }
  const std::string action = option.words.empty() ? "_files" : fmt::format("({})", fmt::join(option.words, " "));
  if (!option.name.empty()) return in_quotes(fmt::format("*:{}:{}", option.name, action));
  std::string value;
  if (!option.value.empty()) value = fmt::format(":{}:{}", option.flags.front(), action);
  std::string lines;
  for (const std::string& flag : option.flags)
    lines += (lines.empty() ? "" : " ") + in_quotes(fmt::format("{}[{}]{}", flag, help, value));
  return lines;
}

std::string zsh_function(const CommandText& command) {
  std::string name = "_wanbench";
  for (std::string word : command.words) name += "_" + word;
  std::string text = fmt::format("{}() {{\n  local curcontext=$curcontext state line\n  _arguments -C", name);
  for (const OptionText& option : command.options)
    if (command.commands.empty() || option.name.empty()) text += " \\\n    " + zsh_option(option);
  if (command.commands.empty()) return text + "\n}\n\n";
  text +=
      " \\\n    '1:command:->command' '*::argument:->argument'\n  case $state in\n    command)\n      local -a "
      "commands=(\n";
  for (const CommandText& below : command.commands)
    text += fmt::format("        {}\n", in_quotes(below.words.back() + ":" + first_line(below.description)));
  text += "      )\n      _describe -t commands command commands ;;\n    argument)\n      case $line[1] in\n";
  for (const CommandText& below : command.commands)
    text += fmt::format("        {}) {}_{} ;;\n", below.words.back(), name, below.words.back());
  return text + "      esac ;;\n  esac\n}\n\n";
}

/// True for fish where the words of `command` are on the line and none below it is.
std::string fish_condition(const CommandText& command) {
  std::vector<std::string> parts;
  for (const std::string& word : command.words) parts.push_back("__fish_seen_subcommand_from " + word);
  if (!command.commands.empty())
    parts.push_back(fmt::format("not __fish_seen_subcommand_from {}", fmt::join(names_below(command), " ")));
  return fmt::format("{}", fmt::join(parts, "; and "));
}

std::string fish_option(const OptionText& option) {
  std::string text;
  for (const std::string& flag : option.flags)
    text += flag.starts_with("--") ? " -l " + flag.substr(2) : " -s " + flag.substr(1);
  if (!option.value.empty()) text += option.words.empty() ? " -r" : " -x";
  if (!option.words.empty()) text += " -a " + fish_quoted(fmt::format("{}", fmt::join(option.words, " ")));
  return text + " -d " + fish_quoted(first_line(option.description));
}

}  // namespace

std::string bash_completion(const CommandText& program) {
  std::string states, values, words;
  walk(program, [&](const CommandText& command) { add_bash_command(command, states, values, words); });
  return fmt::format(
      "# bash completion for wanbench, written by the program from its options.\n"
      "_wanbench() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} command='' words='' i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$command|${{COMP_WORDS[i]}}\" in\n{}    esac\n"
      "  done\n"
      "  case \"$command|${{COMP_WORDS[COMP_CWORD - 1]}}\" in\n{}  esac\n"
      "  case \"$command\" in\n{}  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}}\n"
      "complete -o default -F _wanbench wanbench\n",
      states, values, words);
}

std::string zsh_completion(const CommandText& program) {
  std::string text = "#compdef wanbench\n# zsh completion for wanbench, written by the program from its options.\n\n";
  walk(program, [&](const CommandText& command) { text += zsh_function(command); });
  return text + "_wanbench \"$@\"\n";
}

std::string fish_completion(const CommandText& program) {
  std::string text = "# fish completion for wanbench, written by the program from its options.\n";
  walk(program, [&](const CommandText& command) {
    const std::string condition = fish_quoted(fish_condition(command));
    for (const CommandText& below : command.commands)
      text += fmt::format("complete -c wanbench -f -n {} -a {} -d {}\n", condition, below.words.back(),
                          fish_quoted(first_line(below.description)));
    for (const OptionText& option : command.options)
      if (!option.flags.empty()) text += fmt::format("complete -c wanbench -n {}{}\n", condition, fish_option(option));
  });
  return text;
}

}  // namespace wan::cli
