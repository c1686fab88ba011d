// Cells and rows, a character at a time.
#include "import/csv.h"

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr size_t kMaxRows = 100'000;
constexpr size_t kMaxCells = 1000;  // of a row

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::vector<CsvRow> read() {
    while (at_ < text_.size()) {
      CsvRow row = take_row();
      if (row.cells.size() == 1 && row.cells[0].empty()) continue;
      if (!rows_.empty() && row.cells.size() != rows_.front().cells.size())
        fail(row.line,
             fmt::format("expected {} cells as in the header, found {}", rows_.front().cells.size(), row.cells.size()));
      if (rows_.size() >= kMaxRows) fail(row.line, fmt::format("expected at most {} rows", kMaxRows));
      rows_.push_back(std::move(row));
    }
    return std::move(rows_);
  }

 private:
  [[noreturn]] void fail(int64_t line, const std::string& message) const {
    throw Error(ErrorKind::kInput, fmt::format("{}:{}: {}", file_, line, message));
  }

  CsvRow take_row() {
    CsvRow row{line_, {}};
    do {
      if (row.cells.size() >= kMaxCells) fail(row.line, fmt::format("expected at most {} cells", kMaxCells));
      row.cells.push_back(take_cell());
    } while (passed(','));
    passed('\r');
    if (passed('\n')) ++line_;
    return row;
  }

  std::string take_cell() {
    if (passed('"')) return take_quoted();
    const size_t begin = at_;
    while (!ends_cell(at_)) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string take_quoted() {
    std::string cell;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"' && ends_cell(at_ + 1)) {
        ++at_;
        return cell;
      }
      if (c == '"' && text_[at_ + 1] == '"') ++at_;  // a doubled one is one
      if (c == '\n') ++line_;
      cell += c;
    }
    fail(line_, "expected the end of a cell in quotes, found the file's");
  }

  bool ends_line(size_t at) const { return at >= text_.size() || text_[at] == '\n'; }
  bool ends_cell(size_t at) const {
    return ends_line(at) || text_[at] == ',' || (text_[at] == '\r' && ends_line(at + 1));
  }

  bool passed(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view text_;
  const std::string& file_;
  size_t at_ = 0;
  int64_t line_ = 1;
  std::vector<CsvRow> rows_;
};

}  // namespace

std::vector<CsvRow> csv_rows(std::string_view text, const std::string& file) { return CsvReader(text, file).read(); }

}  // namespace wan
