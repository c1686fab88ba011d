// Viterbi over byte positions; the pieces that begin at one are found by narrowing the sorted vocabulary byte by byte.
#include "model/unigram.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/utf8.h"

namespace wan {
namespace {

constexpr double kUnknownPenalty = 10.0;

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
    ids_[std::move(piece.text)] = size();
    scores_.push_back(piece.score);
  }
  unknown_score_ = least - kUnknownPenalty;
  for (const auto& [text, id] : ids_) sorted_.push_back({text, id});
  std::ranges::sort(sorted_, {}, &Piece::text);
}

/// The pieces that begin as the text does from some position on, as more and more of it is looked at.
class Unigram::Matches {
 public:
  explicit Matches(const std::vector<Piece>& sorted) : first_(sorted.begin()), last_(sorted.end()) {}

  /// Takes one more byte; whether any piece is left.
  bool take(char next) {
    const auto byte_of = [this](const Piece& piece) { return static_cast<uint8_t>(piece.text[length_]); };
    const auto byte = static_cast<uint8_t>(next);
    while (first_ != last_ && first_->text.size() == length_) ++first_;  // it has ended; only the first can
    if (first_ != last_ && (byte_of(*first_) != byte || byte_of(*(last_ - 1)) != byte)) {
      first_ = std::partition_point(first_, last_, [&](const Piece& piece) { return byte_of(piece) < byte; });
      last_ = std::partition_point(first_, last_, [&](const Piece& piece) { return byte_of(piece) == byte; });
    }
    ++length_;
    return first_ != last_;
  }
  /// The piece that is all of what was taken, or -1.
  int32_t whole() const { return first_ != last_ && first_->text.size() == length_ ? first_->id : -1; }

 private:
  Pieces first_, last_;
  size_t length_ = 0;
};

int32_t Unigram::id_of(std::string_view piece) const {
  const auto found = ids_.find(piece);
  return found == ids_.end() ? -1 : found->second;
}

std::vector<Unigram::Cut> Unigram::best_cuts(std::string_view text) const {
  std::vector<Node> ends(text.size() + 1);
  size_t steps = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t next = begin;
    next_code_point(text, next);
    const double so_far = ends[begin].score;
    bool has_own_piece = false;
    Matches matches(sorted_);
    for (size_t end = begin; end < text.size() && matches.take(text[end]);) {
      ++end;
      require(++steps <= kMostSteps, "the tokenizer's pieces are too alike to cut so long a text: shorten the prompt");
      const int32_t id = matches.whole();
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
