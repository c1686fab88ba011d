#include "suite/bounded_lines.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace wan::suite {

std::vector<std::string> BoundedLines::take(std::string_view fresh) {
  std::vector<std::string> lines;
  while (!fresh.empty()) {
    const size_t end = fresh.find('\n');
    append(fresh.substr(0, end));
    if (end == std::string_view::npos) break;
    end_line(lines);
    fresh.remove_prefix(end + 1);
  }
  return lines;
}

void BoundedLines::append(std::string_view text) {
  if (too_long_) return;
  if (line_.size() + text.size() <= limits_.line_bytes) {
    line_ += text;
    return;
  }
  too_long_ = true;
  ++long_lines_;
  line_ = std::string();  // gives its memory back
}

void BoundedLines::end_line(std::vector<std::string>& lines) {
  if (std::exchange(too_long_, false)) return;
  const bool is_full = lines_ >= limits_.lines || line_.size() > limits_.bytes - bytes_;
  if (is_full || lines_too_many_ > 0) {
    ++lines_too_many_;
    line_.clear();
    return;
  }
  ++lines_;
  bytes_ += line_.size();
  lines.push_back(std::exchange(line_, {}));
}

std::string BoundedLines::left_out() const {
  std::string out;
  if (long_lines_ > 0) out = fmt::format("{} lines of more than {} bytes", long_lines_, limits_.line_bytes);
  if (lines_too_many_ > 0)
    out += fmt::format("{}{} lines after the first {}, of {} bytes", out.empty() ? "" : "; ", lines_too_many_, lines_,
                       bytes_);
  return out;
}

}  // namespace wan::suite
