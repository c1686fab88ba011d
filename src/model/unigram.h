// The Unigram model: the most probable way to cut a text into pieces of a vocabulary.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace wan {

struct ScoredPiece {
  std::string text;  // well-formed UTF-8, not empty
  double score = 0;  // log-probability
};

enum class UnknownAs { kId, kBytes };

class Unigram {
 public:
  /// Bytes of pieces compared with one text: 32 for each byte of the longest text there may be (kMostNormalizedBytes).
  static constexpr size_t kMostSteps = size_t{1} << 25;

  /// A piece's id is its place in `vocabulary`; of equal pieces the last one counts. `unknown_id` is within it.
  /// kBytes: text no piece covers becomes the ids of its bytes' pieces "<0xNN>", if all of them exist.
  Unigram(std::vector<ScoredPiece> vocabulary, int32_t unknown_id, UnknownAs unknown_as);

  /// Appends the ids of the best cut: the largest sum of scores, in float64 from left to right; of equal sums the first
  /// found wins. Throws Error(kInput) where the pieces make this too long (kMostSteps). A character without a piece of
  /// its own costs the least score - 10; neighbouring unknowns fuse. Every piece takes part, so the literal text
  /// "<0x41>" gives that piece, unlike in SentencePiece. Source: Kudo 2018; tokenizers, models/unigram/model.rs.
  void append_ids(std::string_view text, std::vector<int32_t>& ids) const;

  /// The id of a piece, or -1.
  int32_t id_of(std::string_view piece) const;
  int32_t size() const { return static_cast<int32_t>(scores_.size()); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  struct Cut {
    size_t begin, end;
  };
  struct Piece {
    std::string_view text;  // a key of ids_
    int32_t id;
  };
  using Pieces = std::vector<Piece>::const_iterator;
  class Matches;
  std::vector<Cut> best_cuts(std::string_view text) const;
  void append_unknown(std::string_view text, std::vector<int32_t>& ids) const;

  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> ids_;
  std::vector<Piece> sorted_;  // by their bytes
  std::vector<double> scores_;
  double unknown_score_ = 0;
  int32_t unknown_id_;
  UnknownAs unknown_as_;
};

}  // namespace wan
