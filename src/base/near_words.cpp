#include "base/near_words.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan {
namespace {

constexpr size_t kLongest = 64;
constexpr size_t kMostWrong = 3;

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::vector<std::string> near_words(std::string_view word, std::span<const std::string> words) {
  if (word.size() > kLongest) return {};
  size_t nearest = std::clamp<size_t>(word.size() / 3, 1, kMostWrong);
  std::vector<std::string> found;
  for (const std::string& candidate : words) {
    if (candidate.size() > kLongest || candidate.empty()) continue;
    const size_t distance = edit_distance(word, candidate);
    if (distance > nearest || distance >= candidate.size()) continue;
    if (distance < nearest) found.clear();
    nearest = distance;
    found.push_back(candidate);
  }
  return found;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> words) {
  const std::vector<std::string> near = near_words(word, words);
  return near.empty() ? "" : fmt::format(": did you mean {}?", fmt::join(near, " or "));
}

}  // namespace wan
