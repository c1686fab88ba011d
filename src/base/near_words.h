// Which of the words there are somebody may have meant by one that there is not.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

/// Letters to insert, leave out, replace or swap with their neighbour to make one text of the other, no place of a text
/// changed twice (optimal string alignment). Counts bytes; takes time and memory in proportion to a.size() * b.size().
size_t edit_distance(std::string_view a, std::string_view b);

/// Those of `words` nearest to `word`, in their order: nothing unless at most a third of its letters, and at most
/// three, are wrong. A text beyond 64 bytes is near to none.
std::vector<std::string> near_words(std::string_view word, std::span<const std::string> words);

/// ": did you mean --prompt?", ": did you mean a or b?"; empty where nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> words);

}  // namespace wan
