#include "suite/log_stages.h"

#include <regex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"

namespace wan::suite {

struct LogStages::Rules {
  std::vector<std::pair<std::regex, std::string>> list;
};

std::vector<LogPattern> parse_patterns(const std::string& text, const std::string& where) {
  std::vector<LogPattern> patterns;
  try {
    const auto json = parse_json(text, where);
    for (const auto& entry : json) patterns.push_back({entry.at("match"), entry.at("stage")});
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: expected a list of {{\"match\": ..., \"stage\": ...}}: {}", where, failure.what()));
  }
  LogStages check(patterns);
  return patterns;
}

LogStages::LogStages(const std::vector<LogPattern>& patterns) : rules_(std::make_unique<Rules>()) {
  for (const LogPattern& pattern : patterns) {
    try {
      rules_->list.emplace_back(std::regex(pattern.regex), pattern.stage);
    } catch (const std::regex_error& failure) {
      throw Error(ErrorKind::kInput,
                  fmt::format("the log pattern '{}' is not a regular expression: {}", pattern.regex, failure.what()));
    }
  }
}

LogStages::~LogStages() = default;

bool LogStages::line(const std::string& text, int64_t at_ns) {
  constexpr size_t kLongest = 4096;  // std::regex recurses over the text: a longer line is not a log line
  const std::string head = text.substr(0, kLongest);
  for (const auto& [regex, name] : rules_->list) {
    std::smatch match;
    if (!std::regex_search(head, match, regex)) continue;
    const std::string stage = match.format(name);
    if (!seen_.empty() && seen_.back().stage.name == stage) return false;
    if (!seen_.empty()) seen_.back().end_ns = at_ns;
    StageSpan span;
    span.stage = stage_from_name(stage);
    span.begin_ns = at_ns;
    seen_.push_back(span);
    return true;
  }
  return false;
}

std::vector<StageSpan> LogStages::spans(int64_t end_ns) const {
  std::vector<StageSpan> result = seen_;
  if (!result.empty()) result.back().end_ns = end_ns;
  return result;
}

}  // namespace wan::suite
