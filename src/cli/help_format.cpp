#include "cli/help_format.h"

#include <algorithm>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/columns.h"
#include "cli/command_tree.h"

namespace wan::cli {
namespace {

constexpr size_t kTextColumn = 26;  // where what is said of an option begins

/// Each line of `text` by itself, broken at spaces.
std::string paragraphs(std::string_view text, size_t indent) {
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    out += wrapped(text.substr(0, end), indent, 0).text;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// The name, and beside it, or below one that is too long, what is said of it.
std::string entry(const std::string& name, const std::string& text) {
  const std::string head = "  " + name;
  if (text.empty()) return head + "\n";
  const std::string body = paragraphs(text, kTextColumn);
  if (head.size() + 2 > kTextColumn) return wrapped(head, 0).text + body;
  return head + body.substr(head.size());
}

std::string names_of(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options) names.push_back(option->get_name());
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string text_of(const CLI::Option& option, const OptionText& declared) {
  std::vector<std::string> said;
  if (!declared.description.empty()) said.push_back(declared.description);
  if (!declared.words.empty()) said.push_back(fmt::format("one of {}", fmt::join(declared.words, ", ")));
  if (!declared.default_value.empty() && !declared.value.empty())
    said.push_back(fmt::format("default: {}", declared.default_value));
  if (declared.required) said.emplace_back("required");
  if (!option.get_needs().empty()) said.push_back("only with " + names_of(option.get_needs()));
  if (!option.get_excludes().empty()) said.push_back("not with " + names_of(option.get_excludes()));
  return fmt::format("{}", fmt::join(said, "; "));
}

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  const OptionText declared = option_text(*option);
  std::string name = option->get_name(is_positional, !is_positional);
  if (!is_positional && !declared.value.empty()) name += " " + declared.value;
  if (option->get_items_expected_max() >= CLI::detail::expected_max_vector_size) name += " ...";
  return entry(name, text_of(*option, declared));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return entry(command->get_name(), command->get_description());
}

std::string HelpFormatter::make_description(const CLI::App* command) const {
  return paragraphs(command->get_description(), 0);
}

std::string HelpFormatter::make_usage(const CLI::App* command, std::string name) const {
  const std::string usage = CLI::Formatter::make_usage(command, std::move(name));
  return wrapped(usage.substr(0, usage.find_last_not_of('\n') + 1), 0).text;
}

std::string HelpFormatter::make_footer(const CLI::App* command) const { return paragraphs(command->get_footer(), 0); }

}  // namespace wan::cli
