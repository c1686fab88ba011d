#include "pipeline/parallel.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/flags.h"
#include "model/dit.h"

namespace wan {
namespace {

constexpr Bounds<int> kRanks{1, 64};
constexpr Bounds<int> kCards{0, 1023};

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorKind::kUsage, why); }

/// "cfg=2", "ulysses=4" or both, each at most once.
Parallel read_parallel(const std::string& text) {
  Parallel out{0, 0};
  for (const std::string_view word : words_of(text)) {
    const size_t equals = std::min(word.find('='), word.size());
    const std::string_view name = word.substr(0, equals);
    int* const side = name == "cfg" ? &out.cfg : name == "ulysses" ? &out.ulysses : nullptr;
    const std::optional<int> value =
        equals < word.size() ? checked_number(word.substr(equals + 1), kRanks) : std::optional<int>{};
    if (side == nullptr || !value || *side != 0)
      refuse(
          fmt::format("{} '{}': expected auto, cfg=C, ulysses=U or cfg=C,ulysses=U with whole numbers from {} to "
                      "{}; found '{}'",
                      flags::kParallel, text, kRanks.least, kRanks.most, word));
    *side = *value;
  }
  if (out.cfg == 0) out.cfg = 1;
  if (out.ulysses == 0) out.ulysses = 1;
  return out;
}

/// Why a video cannot be shared so; empty: it can.
std::string why_not(const Parallel& parallel, const Shareable& video) {
  if (parallel.cfg > 2) return fmt::format("cfg={}: guidance has two branches, cfg is 1 or 2", parallel.cfg);
  if (parallel.cfg == 2 && !video.is_guided)
    return "cfg=2: no step of this video is guided, so that there is one branch alone";
  if (video.heads % parallel.ulysses != 0)
    return fmt::format("ulysses={}: it does not divide the model's {} heads", parallel.ulysses, video.heads);
  if (rows_of_rank(video.tokens, parallel.ulysses - 1, parallel.ulysses).count() == 0)
    return fmt::format(
        "ulysses={}: the video's {} tokens are too few, of which each rank but the last takes whole "
        "sixteens",
        parallel.ulysses, video.tokens);
  return {};
}

}  // namespace

std::string Parallel::text() const { return fmt::format("cfg={},ulysses={}", cfg, ulysses); }

int asked_ranks(const Request& request) {
  if (request.gpus.empty()) return 1;
  const std::vector<std::string_view> words = words_of(request.gpus);
  if (words.size() == 1) {
    if (const std::optional<int> ranks = checked_number(words.front(), kRanks)) return *ranks;
  } else {
    bool are_cards = true;
    for (size_t i = 0; i < words.size(); ++i) {
      const std::optional<int> card = checked_number(words[i], kCards);
      are_cards &= card.has_value();
      for (size_t other = 0; other < i; ++other) are_cards &= words[other] != words[i];
    }
    if (are_cards && words.size() <= static_cast<size_t>(kRanks.most)) return static_cast<int>(words.size());
  }
  refuse(
      fmt::format("{} {}: expected how many, from {} to {}, or different cards with a comma between each two, as 0,2",
                  flags::kGpus, request.gpus, kRanks.least, kRanks.most));
}

Parallel choose_parallel(const Request& request, const Shareable& video) {
  const int ranks = asked_ranks(request);
  const bool is_auto = request.parallel.empty() || request.parallel == "auto";
  if (!is_auto) {
    const Parallel asked = read_parallel(request.parallel);
    if (asked.ranks() != ranks)
      refuse(fmt::format("{} {}: that is {} rank{}, and {} asks for {}", flags::kParallel, request.parallel,
                         asked.ranks(), asked.ranks() == 1 ? "" : "s", flags::kGpus, ranks));
    if (const std::string why = why_not(asked, video); !why.empty())
      refuse(fmt::format("{} {}", flags::kParallel, why));
    return asked;
  }
  const Parallel both{2, ranks / 2}, tokens{1, ranks};
  const bool is_even = ranks % 2 == 0;
  if (is_even && why_not(both, video).empty()) return both;
  const std::string why = why_not(tokens, video);
  if (why.empty()) return tokens;
  refuse(fmt::format("{} {}: {}{}", flags::kGpus, request.gpus, is_even ? why_not(both, video) + "; " : "", why));
}

}  // namespace wan
