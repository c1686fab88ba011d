#include "cli/columns.h"

#include <algorithm>

namespace wan::cli {

std::string wrapped(std::string_view text, size_t indent, size_t hanging) {
  std::string out, line(indent, ' ');
  bool begins_line = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (!begins_line && line.size() + 1 + end > kColumns) {
      out += line + '\n';
      line.assign(indent + hanging, ' ');
      begins_line = true;
    }
    if (!begins_line) line += ' ';
    line += text.substr(0, end);
    begins_line = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + line + '\n';
}

}  // namespace wan::cli
