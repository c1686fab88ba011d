// Reader of the original's Markdown report: a line at a time, by its headings.
#include <fmt/format.h>

#include <map>

#include "base/error.h"
#include "import/fill.h"
#include "import/import.h"
#include "import/parse.h"

namespace wan {
namespace {

constexpr size_t kMaxLine = 4096;
constexpr size_t kMaxCases = 1000;
constexpr size_t kMaxStages = 10'000;

class MarkdownReader {
 public:
  MarkdownReader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::vector<RunRecord> read() {
    while (!text_.empty()) {
      const size_t end = text_.find('\n');
      ++line_number_;
      const std::string_view line = trim(text_.substr(0, end));
      if (line.size() > kMaxLine)
        fail(fmt::format("expected lines of at most {} characters, found {}", kMaxLine, line.size()));
      take(line);
      text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    }
    if (records_.empty()) fail("expected '#### Case:' sections, found none");
    for (RunRecord& record : records_) complete(record);
    return std::move(records_);
  }

 private:
  enum class Part { kNone, kSummary, kCard, kCase, kStages, kStatistics, kAnalysis };

  [[noreturn]] void fail(const std::string& message) const {
    throw Error(ErrorKind::kInput, fmt::format("{}:{}: {}", file_, line_number_, message));
  }

  void take(std::string_view line) {
    if (line.starts_with('#')) return take_heading(line);
    if (line.starts_with('|')) return take_row(line);
    header_.clear();
    if (line.empty() || line == "---") return;
    if (line.starts_with("- **") && (part_ == Part::kCase || part_ == Part::kStatistics)) return take_value(line);
    if (part_ == Part::kAnalysis) record().imported->notes.emplace_back(line);
  }

  void take_heading(std::string_view line) {
    header_.clear();
    const size_t level = line.find_first_not_of('#');
    const std::string_view title = level == std::string_view::npos ? "" : trim(line.substr(level));
    constexpr std::string_view kCase = "Case:";
    if (level == 2) {
      part_ = title.starts_with("Performance Summary") ? Part::kSummary : Part::kCard;
      card_ = title;
    } else if (level == 4 && title.starts_with(kCase)) {
      start_case(trim(title.substr(kCase.size())));
    } else if (level == 5) {
      if (records_.empty()) fail("expected '#### Case:' before this heading");
      part_ = title == "Stage Breakdown"        ? Part::kStages
              : title == "Inference Statistics" ? Part::kStatistics
              : title == "Performance Analysis" ? Part::kAnalysis
                                                : Part::kNone;
    }
  }

  void start_case(std::string_view name) {
    if (records_.size() >= kMaxCases) fail(fmt::format("expected at most {} cases", kMaxCases));
    if (name.empty()) fail("expected a name after 'Case:'");
    RunRecord& record = records_.emplace_back(imported_record(file_, "seed-markdown"));
    record.run_case.name = name;
    record.system.gpus.push_back(named_gpu(card_));
    part_ = Part::kCase;
  }

  RunRecord& record() {
    if (records_.empty()) fail("expected '#### Case:' before this line");
    return records_.back();
  }

  /// "- **Name**: value"
  void take_value(std::string_view line) {
    line.remove_prefix(4);
    const size_t end = line.find("**:");
    if (end == std::string_view::npos) fail("expected '- **Name**: value'");
    record().imported->printed[std::string(line.substr(0, end))] = trim(line.substr(end + 3));
  }

  void take_row(std::string_view line) {
    std::vector<std::string> cells = table_cells(line);
    if (cells.empty()) fail("expected a table row that ends in '|'");
    if (is_table_rule(cells)) return;
    if (header_.empty()) {
      header_ = std::move(cells);
      return;
    }
    if (cells.size() != header_.size()) fail(fmt::format("expected {} cells, found {}", header_.size(), cells.size()));
    std::map<std::string, std::string> row;
    for (size_t i = 0; i < cells.size(); ++i) row[header_[i]] = cells[i];
    if (part_ == Part::kStages) take_stage(std::move(row));
    if (part_ == Part::kCard) card_rows_[{card_, row["Case"]}] = std::move(row);
    if (part_ == Part::kSummary) summary_rows_[row["Case"]] = std::move(row);
  }

  double required(const std::map<std::string, std::string>& row, const char* column) const {
    const auto value = optional(row, column);
    if (!value) fail(fmt::format("expected a column '{}'", column));
    return *value;
  }
  std::optional<double> optional(const std::map<std::string, std::string>& row, const char* column) const {
    const auto cell = row.find(column);
    if (cell == row.end()) return std::nullopt;
    const auto value = parse_number(cell->second);
    if (!value) fail(fmt::format("column '{}': expected a number, found '{}'", column, cell->second));
    return value;
  }

  void take_stage(std::map<std::string, std::string> row) {
    if (record().stages.size() >= kMaxStages) fail(fmt::format("expected at most {} stages", kMaxStages));
    OriginalStage stage;
    stage.name = row["Stage"];
    if (stage.name.empty()) fail("expected a column 'Stage' with a name");
    if (find_stage(record(), stage.name) != nullptr) fail(fmt::format("stage '{}' occurs twice", stage.name));
    stage.seconds = required(row, "Time (s)");
    stage.peak_gib = optional(row, "GPU Mem (GB)");
    stage.cpu_percent = optional(row, "CPU (%)");
    stage.system_gib = optional(row, "Sys Mem (GB)");
    stage.sm_percent = optional(row, "SM Act (%)");
    stage.load = optional(row, "Comp Load");
    add_stage(record(), stage, std::move(row));
  }

  /// Joins the case with its rows of the card's table and of the summary.
  void complete(RunRecord& record) {
    if (record.stages.empty()) {
      throw Error(ErrorKind::kInput, fmt::format("{}: case '{}' of {}: expected a stage table, found none", file_,
                                                 record.run_case.name, record.system.gpus[0].name));
    }
    const auto join = [&](const std::map<std::string, std::string>& row, const std::string& prefix) {
      for (const auto& [column, cell] : row) record.imported->printed[prefix + column] = cell;
    };
    const auto card_row = card_rows_.find({record.system.gpus[0].name, record.run_case.name});
    if (card_row != card_rows_.end()) {
      join(card_row->second, "card table: ");
      take_workload(record, card_row->second);
    }
    const auto summary_row = summary_rows_.find(record.run_case.name);
    if (summary_row != summary_rows_.end()) join(summary_row->second, "summary: ");
    finish_record(record);
  }

  static void take_workload(RunRecord& record, const std::map<std::string, std::string>& row) {
    if (const auto res = row.find("Res"); res != row.end()) {
      const size_t star = res->second.find('*');
      if (star != std::string::npos) {
        const auto width = parse_number(res->second.substr(0, star)),
                   height = parse_number(res->second.substr(star + 1));
        if (width && height && *width <= 65536 && *height <= 65536) {
          record.workload.width = static_cast<int64_t>(*width);
          record.workload.height = static_cast<int64_t>(*height);
        }
      }
    }
    if (const auto offload = row.find("Offload"); offload != row.end()) {
      record.workload.offload = offload->second == "True" ? "true" : offload->second == "False" ? "false" : "";
    }
  }

  std::string_view text_;
  std::string file_;
  int64_t line_number_ = 0;
  Part part_ = Part::kNone;
  std::string card_;
  std::vector<std::string> header_;
  std::map<std::pair<std::string, std::string>, std::map<std::string, std::string>> card_rows_;
  std::map<std::string, std::map<std::string, std::string>> summary_rows_;
  std::vector<RunRecord> records_;
};

}  // namespace

std::vector<RunRecord> read_seed_markdown(std::string_view text, const std::string& file_name) {
  return MarkdownReader(text, file_name).read();
}

}  // namespace wan
