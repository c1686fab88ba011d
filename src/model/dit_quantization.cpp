#include "model/dit_quantization.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr std::string_view kWords = "qkv,o,cross,ffn,scores,attention";

constexpr std::array<std::pair<std::string_view, bool DitQuantization::*>, 6> kGroups{{
    {"qkv", &DitQuantization::qkv},
    {"o", &DitQuantization::o},
    {"cross", &DitQuantization::cross},
    {"ffn", &DitQuantization::ffn},
    {"scores", &DitQuantization::scores},
    {"attention", &DitQuantization::attention},
}};

}  // namespace

DitQuantization dit_quantization(std::string_view words, std::string_view where) {
  DitQuantization out;
  for (size_t begin = 0; begin <= words.size();) {
    const size_t end = std::min(words.find(',', begin), words.size());
    const std::string_view word = words.substr(begin, end - begin);
    bool known = false;
    for (const auto& [name, group] : kGroups) {
      if (word != name) continue;
      require(!(out.*group), fmt::format("{}: {} is named twice", where, name), ErrorKind::kUsage);
      out.*group = known = true;
    }
    require(known, fmt::format("{}: expected words of {} with commas between, found '{}'", where, kWords, word),
            ErrorKind::kUsage);
    begin = end + 1;
  }
  require(!(out.scores && out.attention), fmt::format("{}: attention has scores in it: name one of them", where),
          ErrorKind::kUsage);
  return out;
}

std::string words_of(const DitQuantization& quantization) {
  std::string words;
  for (const auto& [name, group] : kGroups)
    if (quantization.*group) words += (words.empty() ? "" : ",") + std::string(name);
  return words;
}

}  // namespace wan
