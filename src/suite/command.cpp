#include "suite/command.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/request_text.h"

namespace wan::suite {
namespace {

using Values = std::map<std::string, std::string>;

/// Where the next character of a shell's text stands.
class ShellPlace {
 public:
  enum class Quote { kNone, kSingle, kDouble, kComment, kHereDocument };

  Quote quote() const { return escaped_ ? Quote::kDouble : quote_; }
  void pass(char c) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\' && (quote_ == Quote::kNone || quote_ == Quote::kDouble)) {
      escaped_ = true;
    } else if (quote_ == Quote::kNone) {
      open(c);
    } else if ((quote_ == Quote::kSingle && c == '\'') || (quote_ == Quote::kDouble && c == '"') ||
               (quote_ == Quote::kComment && c == '\n')) {
      quote_ = Quote::kNone;
    }
    before_ = c;
  }

 private:
  void open(char c) {
    constexpr std::string_view kBetweenWords = " \t\n;|&()";
    if (c == '\'') quote_ = Quote::kSingle;
    if (c == '"') quote_ = Quote::kDouble;
    if (c == '#' && kBetweenWords.find(before_) != kBetweenWords.npos) quote_ = Quote::kComment;
    if (c == '<' && before_ == '<') quote_ = Quote::kHereDocument;  // or <<<, where it is refused as well
  }
  Quote quote_ = Quote::kNone;
  bool escaped_ = false;
  char before_ = '\n';
};

/// Calls `text(piece)` for what is left alone and `value(key)` for each placeholder, in order.
template <typename Text, typename Value>
void take_apart(const std::string& word, const Values& values, bool is_shell, Text text, Value value) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz_";
  for (size_t at = 0; at < word.size();) {
    const size_t close = word[at] == '{' ? word.find('}', at) : std::string::npos;
    const std::string key = close == std::string::npos ? "" : word.substr(at + 1, close - at - 1);
    const bool of_the_shell = is_shell && at > 0 && word[at - 1] == '$';
    const bool is_name = !key.empty() && key.find_first_not_of(kLetters) == std::string::npos;
    const bool known = values.contains(key);
    if (of_the_shell || !(is_name || known)) {
      text(word[at++]);
      continue;
    }
    require(known, fmt::format("--command: nothing is called {{{}}}", key), ErrorKind::kUsage);
    value(key);
    at = close + 1;
  }
}

std::string expanded_word(const std::string& word, const Values& values) {
  std::string result;
  take_apart(
      word, values, false, [&](char c) { result += c; }, [&](const std::string& key) { result += values.at(key); });
  return result;
}

std::string shell_text(const std::string& word, const Values& values) {
  std::string result;
  ShellPlace place;
  take_apart(
      word, values, true,
      [&](char c) {
        place.pass(c);
        result += c;
      },
      [&](const std::string& key) {
        const std::string variable = variable_of(key);
        const ShellPlace::Quote quote = place.quote();
        require(quote == ShellPlace::Quote::kNone || quote == ShellPlace::Quote::kComment,
                fmt::format("--command: {{{0}}} stands {1}, where a shell would read its value: write {{{0}}} outside "
                            "of quotes, or \"${2}\" in double quotes",
                            key,
                            quote == ShellPlace::Quote::kHereDocument ? "after << of a here-document" : "inside quotes",
                            variable),
                ErrorKind::kUsage);
        place.pass('v');
        result += quote == ShellPlace::Quote::kNone ? fmt::format("\"${{{}}}\"", variable) : key;
      });
  return result;
}

bool is_shell_text(const std::vector<std::string>& command, size_t index) {
  constexpr std::array<std::string_view, 3> kShells = {"sh", "bash", "dash"};
  if (index != 2 || command[1] != "-c") return false;
  return std::find(kShells.begin(), kShells.end(), std::filesystem::path(command[0]).filename()) != kShells.end();
}

}  // namespace

std::string variable_of(const std::string& key) {
  std::string name = "WANBENCH_";
  for (const char c : key) name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

ExpandedCommand expand_command(const std::vector<std::string>& command, const Case& details,
                               const std::filesystem::path& output) {
  Values values = texts_of_case(details.request);
  values["name"] = details.name;
  values["output"] = output.string();
  ExpandedCommand expanded;
  for (size_t i = 0; i < command.size(); ++i)
    expanded.argv.push_back(is_shell_text(command, i) ? shell_text(command[i], values)
                                                      : expanded_word(command[i], values));
  for (const auto& [key, value] : values) {
    const std::string variable = variable_of(key);
    const auto names_it = [&](const std::string& word) { return word.find(variable) != std::string::npos; };
    if (std::any_of(expanded.argv.begin(), expanded.argv.end(), names_it)) expanded.environment[variable] = value;
  }
  for (const auto& [key, value] : values)
    require(value.find('\0') == std::string::npos,
            fmt::format("--command: the value of {{{}}} holds a NUL, which no program can be given", key),
            ErrorKind::kUsage);
  return expanded;
}

}  // namespace wan::suite
