// Patterns come from strangers, lines from programs: RE2 takes time in proportion to a line, whatever the pattern.
#include "suite/log_stages.h"

#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <re2/re2.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "suite/run_bounds.h"

namespace wan::suite {
namespace {

constexpr size_t kMostPatterns = 200;
constexpr size_t kLongestPattern = 1000;
constexpr size_t kLongestStage = 200;
constexpr size_t kMostGroups = 20;
constexpr int64_t kMostMemory = 4 << 20;  // of one pattern, compiled
constexpr size_t kLongestLine = 4096;     // what is beyond it is no log line

re2::RE2::Options syntax() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMostMemory);
  return options;
}

/// The group that a "$1" at `at` names, and how many characters it takes; nothing where there is none.
struct Reference {
  size_t group = 0;
  size_t length = 0;
};

std::optional<Reference> reference_at(std::string_view name, size_t at) {
  const auto digit = [&](size_t i) { return i < name.size() && name[i] >= '0' && name[i] <= '9'; };
  if (name[at] != '$' || at + 1 >= name.size()) return std::nullopt;
  if (name[at + 1] == '&') return Reference{0, 2};
  if (!digit(at + 1)) return std::nullopt;
  const auto value = [&](size_t i) { return static_cast<size_t>(name[i] - '0'); };
  if (!digit(at + 2)) return Reference{value(at + 1), 2};
  return Reference{value(at + 1) * 10 + value(at + 2), 3};
}

/// What the pattern asks for that RE2 has not, by its name; empty where there is nothing.
std::string_view unknown_construct(std::string_view pattern) {
  struct Construct {
    std::string_view text, name;
  };
  constexpr Construct kConstructs[] = {
      {"(?=", "look-ahead"}, {"(?!", "look-ahead"}, {"(?<=", "look-behind"}, {"(?<!", "look-behind"}};
  bool in_set = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      if (!in_set && i + 1 < pattern.size() && pattern[i + 1] >= '1' && pattern[i + 1] <= '9')
        return "a back reference";
      ++i;
      continue;
    }
    if (in_set || pattern[i] == '[') {
      in_set = pattern[i] != ']';
      continue;
    }
    for (const auto& [text, name] : kConstructs)
      if (pattern.substr(i).starts_with(text)) return name;
  }
  return {};
}

/// Begins every message about a pattern, which may be long.
std::string named(std::string_view pattern) {
  constexpr size_t kShown = 80;
  return fmt::format("the log pattern '{}{}'", pattern.substr(0, kShown), pattern.size() > kShown ? "..." : "");
}

}  // namespace

/// One pattern, compiled.
struct LogStages::Rule {
  explicit Rule(const LogPattern& pattern) : regex(pattern.regex, syntax()), stage(pattern.stage) {}

  /// The stage's name, where the line matches.
  std::optional<std::string> match(std::string_view line) const {
    std::array<re2::StringPiece, kMostGroups + 1> groups;
    const int count = regex.NumberOfCapturingGroups() + 1;
    const re2::StringPiece text(line.data(), line.size());
    if (!regex.Match(text, 0, line.size(), re2::RE2::UNANCHORED, groups.data(), count)) return std::nullopt;
    std::string name;
    for (size_t i = 0; i < stage.size();) {
      const auto reference = reference_at(stage, i);
      const auto& group = groups[reference ? reference->group : 0];
      if (!reference)
        name += stage[i];
      else if (group.data() != nullptr)
        name.append(group.data(), group.size());
      i += reference ? reference->length : 1;
    }
    if (name.size() > kLongestStage) name.resize(kLongestStage);
    return name;
  }

  re2::RE2 regex;
  std::string stage;
};

namespace {

void check_text(const LogPattern& pattern) {
  require(
      pattern.regex.size() <= kLongestPattern,
      fmt::format("{}: {} bytes, at most {} are read", named(pattern.regex), pattern.regex.size(), kLongestPattern));
  require(!pattern.stage.empty() && pattern.stage.size() <= kLongestStage,
          fmt::format("{}: the stage's name has {} bytes, expected 1 to {}", named(pattern.regex), pattern.stage.size(),
                      kLongestStage));
  const std::string_view unknown = unknown_construct(pattern.regex);
  require(unknown.empty(),
          fmt::format("{}: {} is not understood, since it can take a time without end: write a pattern "
                      "without it, or several",
                      named(pattern.regex), unknown));
}

void check_compiled(const LogPattern& pattern, const re2::RE2& regex) {
  require(regex.ok(), fmt::format("{} is not a regular expression: {}", named(pattern.regex), regex.error()));
  const auto groups = static_cast<size_t>(regex.NumberOfCapturingGroups());
  require(groups <= kMostGroups,
          fmt::format("{}: {} groups, at most {} are kept", named(pattern.regex), groups, kMostGroups));
  for (size_t i = 0; i < pattern.stage.size(); ++i)
    if (const auto reference = reference_at(pattern.stage, i))
      require(reference->group <= groups, fmt::format("{}: its stage '{}' names group {}, the pattern has {}",
                                                      named(pattern.regex), pattern.stage, reference->group, groups));
}

}  // namespace

std::vector<LogPattern> parse_patterns(const std::string& text, const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  require(json.is_array() && json.size() <= kMostPatterns,
          fmt::format("{}: expected a list of at most {} of {{\"match\": ..., \"stage\": ...}}", where, kMostPatterns));
  std::vector<LogPattern> patterns;
  for (const nlohmann::json& entry : json) {
    JsonReader reader(entry, fmt::format("{}: pattern {}", where, patterns.size() + 1));
    LogPattern& pattern = patterns.emplace_back();
    for (const char* key : {"match", "stage"})
      if (reader.find(key) == nullptr) throw reader.error(fmt::format("field '{}' is missing", key));
    reader.read("match", pattern.regex);
    reader.read("stage", pattern.stage);
    reader.refuse_unknown();
  }
  try {
    LogStages check(patterns);
  } catch (const Error& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}", where, error.what()));
  }
  return patterns;
}

LogStages::LogStages(const std::vector<LogPattern>& patterns) {
  require(patterns.size() <= kMostPatterns,
          fmt::format("{} log patterns, at most {} are read", patterns.size(), kMostPatterns));
  for (const LogPattern& pattern : patterns) {
    check_text(pattern);
    rules_.push_back(std::make_unique<Rule>(pattern));
    check_compiled(pattern, rules_.back()->regex);
  }
}

LogStages::~LogStages() = default;

const StageId* LogStages::line(const std::string& text, int64_t at_ns) {
  const std::string_view head = std::string_view(text).substr(0, kLongestLine);
  for (const auto& rule : rules_) {
    const std::optional<std::string> stage = rule->match(head);
    if (!stage) continue;
    if (!seen_.empty() && seen_.back().stage.name == *stage) return nullptr;
    if (++begun_ > kMostLeaves) return nullptr;
    if (!seen_.empty()) seen_.back().end_ns = at_ns;
    StageSpan span;
    span.stage = stage_from_name(*stage);
    span.begin_ns = at_ns;
    seen_.push_back(span);
    return &seen_.back().stage;
  }
  return nullptr;
}

std::vector<StageSpan> LogStages::spans(int64_t end_ns) const {
  if (begun_ > kMostLeaves) return {};
  std::vector<StageSpan> result = seen_;
  if (!result.empty()) result.back().end_ns = end_ns;
  return result;
}

std::string LogStages::left_out() const {
  if (begun_ <= kMostLeaves) return {};
  return fmt::format("{} stages cut by the log, more than {}: a trace, not stages", begun_, kMostLeaves);
}

}  // namespace wan::suite
