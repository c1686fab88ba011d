// A line cut into its cells.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace wan {

/// What stands between the separators, empty cells too: one more than there are separators. Views into `line`.
inline std::vector<std::string_view> split(std::string_view line, char separator) {
  std::vector<std::string_view> cells;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(separator, begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

}  // namespace wan
