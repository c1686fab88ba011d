#include "cli/compare_load.h"

#include <deque>
#include <filesystem>

#include <fmt/format.h>

#include "analysis/load_compare.h"
#include "base/file.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "results/load.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

fs::path file_of(const fs::path& path) { return fs::is_directory(path) ? path / kLoadFile : path; }

std::string interval_text(const LooseInterval& interval) {
  const auto end = [](const std::optional<double>& one) {
    return one ? fmt::format("{:.3f}", *one) : std::string("-");
  };
  return fmt::format("[{}, {}]", end(interval.low), end(interval.high));
}

void print_comparison(const std::string& a, const std::string& b, const LoadComparison& found) {
  print("{}", wrapped(fmt::format("{} (B) against {} (A)", b, a), 0, 2));
  for (const std::string& refusal : found.refusals) print("{}", wrapped("not compared: " + refusal, 2, 2));
  for (const LoadLevelPair& pair : found.pairs) {
    print("{:<18}{:>10}{:>10}{:>8} {:<18}{}\n", pair.name, "A", "B", "B/A", "95 %", "verdict");
    for (const LoadComparedRow& row : pair.rows)
      print("  {:<16}{:>10.3f}{:>10.3f}{:>8.3f} {:<18}{}\n", row.name, row.a, row.b, row.ratio,
            interval_text(row.interval), to_string(row.verdict));
  }
  for (const std::string& name : found.only_in_a) print("{}", wrapped("only in A: " + name, 2, 2));
  for (const std::string& name : found.only_in_b) print("{}", wrapped("only in B: " + name, 2, 2));
  for (const std::string& caveat : found.caveats) print("{}", wrapped("note: " + caveat, 2, 2));
}

OrderedJson end_of(const std::optional<double>& end) {
  return end ? json_value(*end) : json_value(nullptr, "too_few_requests");
}

OrderedJson json_of(const LoadComparison& found) {
  OrderedJson json = {{"refusals", found.refusals},
                      {"caveats", found.caveats},
                      {"only_in_a", found.only_in_a},
                      {"only_in_b", found.only_in_b},
                      {"pairs", OrderedJson::array()}};
  for (const LoadLevelPair& pair : found.pairs) {
    OrderedJson rows = OrderedJson::array();
    for (const LoadComparedRow& row : pair.rows)
      rows.push_back({{"name", row.name},
                      {"a", row.a},
                      {"b", row.b},
                      {"ratio", row.ratio},
                      {"interval", {{"low", end_of(row.interval.low)}, {"high", end_of(row.interval.high)}}},
                      {"verdict", to_string(row.verdict)},
                      {"reason", row.reason}});
    json["pairs"].push_back({{"level", pair.name}, {"rows", std::move(rows)}});
  }
  return json;
}

bool has_verdict(const std::vector<LoadComparison>& all, Verdict verdict) {
  for (const LoadComparison& one : all)
    for (const LoadLevelPair& pair : one.pairs)
      for (const LoadComparedRow& row : pair.rows)
        if (row.verdict == verdict) return true;
  return false;
}

}  // namespace

bool are_load_tests(const std::vector<std::string>& paths) {
  std::error_code missing;
  for (const std::string& path : paths) {
    const fs::path file = file_of(path);
    if (file.filename() != kLoadFile || !fs::is_regular_file(file, missing)) return false;
    if (fs::is_directory(path) && !load_collection(path, Parts::kSummedUp).records.empty()) return false;
  }
  return !paths.empty();
}

ExitCode compare_load_tests(const std::vector<std::string>& paths, const CompareLoadOptions& options) {
  require(paths.size() > 1, "compare needs two paths", ErrorKind::kUsage);
  std::deque<LoadView> loads;
  for (const std::string& path : paths)
    loads.emplace_back(load_test_from_json(read_text(file_of(path), kMostLoadBytes), file_of(path).string()));
  std::vector<LoadComparison> all;
  OrderedJson document = json_document("wanbench.load_comparison", 1, 0);
  document["margin"] = options.margin;
  document["arms"] = OrderedJson::array();
  bool is_incomplete = false;
  for (size_t i = 1; i < loads.size(); ++i) {
    const LoadComparison& found = all.emplace_back(compare_loads(loads[0], loads[i], options.margin));
    is_incomplete = is_incomplete || !found.refusals.empty() || !found.only_in_a.empty();
    if (options.wording == Wording::kText) print_comparison(paths[0], paths[i], found);
    OrderedJson arm = {{"a", paths[0]}, {"b", paths[i]}};
    arm.update(json_of(found));
    document["arms"].push_back(std::move(arm));
  }
  if (options.wording == Wording::kJson) print_json(document);
  if (options.has_limit && has_verdict(all, Verdict::kSlower)) return ExitCode::kComparison;
  if (options.strict && (is_incomplete || has_verdict(all, Verdict::kInconclusive))) return ExitCode::kInconclusive;
  return is_incomplete ? ExitCode::kNotComparable : ExitCode::kSuccess;
}

}  // namespace wan::cli
