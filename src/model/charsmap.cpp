// Trie units as in Darts-clone: bits 0-7 a label (bit 31 too, set in value units), bit 8 "has a value", bit 9 and 10-30
// the offset, relative by exclusive or, of the block of children; a value unit holds an index into the replacements.
#include "model/charsmap.h"

#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include "base/error.h"
#include "base/utf8.h"
#include "model/normalized_text.h"

namespace wan {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kLongCluster = 6;  // bytes; clusters this long are mapped code point by code point

uint32_t label_of(uint32_t unit) { return unit & 0x800000FFu; }
bool has_value(uint32_t unit) { return ((unit >> 8) & 1u) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFFu; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200u) >> 6); }

struct CloseText {
  void operator()(UText* text) const { utext_close(text); }
};

// Calls visit(begin, end) for each extended grapheme cluster.
template <typename Visit>
void for_each_cluster(std::string_view text, Visit visit) {
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> clusters(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  const std::unique_ptr<UText, CloseText> view(
      utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &status));
  if (U_SUCCESS(status)) clusters->setText(view.get(), status);
  if (U_FAILURE(status)) throw Error(fmt::format("ICU could not split text into characters: {}", u_errorName(status)));
  int32_t begin = clusters->first();
  for (int32_t end = clusters->next(); end != icu::BreakIterator::DONE; begin = end, end = clusters->next())
    visit(static_cast<size_t>(begin), static_cast<size_t>(end));
}

}  // namespace

Charsmap::Charsmap(std::string_view blob) {
  if (blob.empty()) return;
  uint32_t trie_bytes = 0;
  require(blob.size() >= sizeof trie_bytes, "the character map is shorter than its own size field");
  std::memcpy(&trie_bytes, blob.data(), sizeof trie_bytes);
  blob.remove_prefix(sizeof trie_bytes);
  if (trie_bytes > blob.size() || trie_bytes % sizeof(uint32_t) != 0 || trie_bytes == 0)
    throw Error(ErrorKind::kInput,
                fmt::format("the character map states a trie of {} bytes, {} bytes follow", trie_bytes, blob.size()));
  units_.resize(trie_bytes / sizeof(uint32_t));
  std::memcpy(units_.data(), blob.data(), trie_bytes);
  replacements_ = blob.substr(trie_bytes);
  const size_t invalid = find_invalid_utf8(replacements_);
  if (invalid != std::string::npos)
    throw Error(ErrorKind::kInput, fmt::format("the character map's replacements are not UTF-8 at byte {}", invalid));
  check_trie();
}

// Walks all nodes reachable from the root. A block of children spans 256 units, so one comparison covers all its
// labels.
void Charsmap::check_trie() const {
  std::vector<bool> seen(units_.size(), false);
  std::vector<size_t> open{0};
  seen[0] = true;
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    const size_t base = node ^ offset_of(units_[node]);
    const size_t block_end = (base | (kBlock - 1)) + 1;
    require(block_end <= units_.size(), "the character map's trie points outside itself");
    if (has_value(units_[node]))
      require(value_of(units_[base]) < replacements_.size(), "the character map points outside its replacements");
    for (size_t label = 1; label < kBlock; ++label) {
      const size_t child = base ^ label;
      if (label_of(units_[child]) != label || seen[child]) continue;
      seen[child] = true;
      open.push_back(child);
    }
  }
}

// The replacement of the shortest mapped prefix of `sequence`, or null.
const char* Charsmap::replacement(std::string_view sequence) const {
  if (units_.empty()) return nullptr;
  size_t node = offset_of(units_[0]);
  for (const char c : sequence) {
    const uint32_t label = static_cast<uint8_t>(c);
    if (label == 0) return nullptr;
    node ^= label;
    const uint32_t unit = units_[node];
    if (label_of(unit) != label) return nullptr;
    node ^= offset_of(unit);
    if (has_value(unit)) return replacements_.c_str() + value_of(units_[node]);
  }
  return nullptr;
}

std::string Charsmap::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  for_each_cluster(text, [&](size_t begin, size_t end) {
    const std::string_view cluster = text.substr(begin, end - begin);
    if (cluster.size() < kLongCluster) {
      if (const char* mapped = replacement(cluster)) {
        append_normalized(out, mapped);
        return;
      }
    }
    for (size_t at = 0; at < cluster.size();) {
      const size_t from = at;
      next_code_point(cluster, at);
      const std::string_view part = cluster.substr(from, at - from);
      if (const char* mapped = replacement(part)) {
        append_normalized(out, mapped);
      } else {
        append_normalized(out, part);
      }
    }
  });
  return out;
}

}  // namespace wan
