// Viterbi over byte positions; the vocabulary is a hash table, tried for every prefix up to the longest piece.
#include "model/unigram.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/utf8.h"

namespace wan {
namespace {

constexpr double kUnknownPenalty = 10.0;

bool continues_character(std::string_view text, size_t at) {
  return at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80;
}

// The best way found so far to cut the text up to some position.
struct Node {
  double score = 0;
  size_t begin = std::string_view::npos;  // of the last piece; npos: not reached yet
  int32_t id = -1;

  void offer(double candidate, size_t from, int32_t piece) {
    if (begin != std::string_view::npos && !(candidate > score)) return;
    score = candidate;
    begin = from;
    id = piece;
  }
};

}  // namespace

Unigram::Unigram(std::vector<ScoredPiece> vocabulary, int32_t unknown_id, UnknownAs unknown_as)
    : unknown_id_(unknown_id), unknown_as_(unknown_as) {
  ids_.reserve(vocabulary.size());
  scores_.reserve(vocabulary.size());
  double least = 0;
  for (ScoredPiece& piece : vocabulary) {
    least = scores_.empty() ? piece.score : std::min(least, piece.score);
    longest_ = std::max(longest_, piece.text.size());
    ids_[std::move(piece.text)] = size();
    scores_.push_back(piece.score);
  }
  unknown_score_ = least - kUnknownPenalty;
}

int32_t Unigram::id_of(std::string_view piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

std::vector<Unigram::Cut> Unigram::best_cuts(std::string_view text) const {
  std::vector<Node> ends(text.size() + 1);
  for (size_t begin = 0; begin < text.size();) {
    size_t next = begin;
    next_code_point(text, next);
    const double so_far = ends[begin].score;
    bool has_own_piece = false;
    const size_t limit = std::min(text.size(), begin + longest_);
    for (size_t end = next; end <= limit; ++end) {
      if (continues_character(text, end)) continue;
      const int32_t id = id_of(text.substr(begin, end - begin));
      if (id < 0) continue;
      ends[end].offer(so_far + scores_[static_cast<size_t>(id)], begin, id);
      has_own_piece = has_own_piece || end == next;
    }
    if (!has_own_piece) ends[next].offer(so_far + unknown_score_, begin, unknown_id_);
    begin = next;
  }
  std::vector<Cut> cuts;  // last to first, then turned round
  bool in_unknown = false;
  for (size_t end = text.size(); end > 0; end = ends[end].begin) {
    const bool unknown = ends[end].id == unknown_id_;
    if (unknown && in_unknown) {
      cuts.back().begin = ends[end].begin;
    } else {
      cuts.push_back({ends[end].begin, end});
    }
    in_unknown = unknown;
  }
  std::reverse(cuts.begin(), cuts.end());
  return cuts;
}

void Unigram::append_unknown(std::string_view text, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  if (unknown_as_ == UnknownAs::kBytes) {
    for (const char c : text) {
      const int32_t id = id_of(fmt::format("<0x{:02X}>", static_cast<uint8_t>(c)));
      if (id < 0) break;
      ids.push_back(id);
    }
    if (ids.size() - before == text.size()) return;
    ids.resize(before);
  }
  ids.push_back(unknown_id_);
}

void Unigram::append_ids(std::string_view text, std::vector<int32_t>& ids) const {
  for (const Cut& cut : best_cuts(text)) {
    const std::string_view piece = text.substr(cut.begin, cut.end - cut.begin);
    const int32_t id = id_of(piece);
    if (id >= 0) {
      ids.push_back(id);
    } else {
      append_unknown(piece, ids);
    }
  }
}

}  // namespace wan
