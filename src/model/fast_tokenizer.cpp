// Added tokens, normalisation, Metaspace, Unigram: the order in which tokenizers runs them.
// Source: tokenizers, tokenizer/added_vocabulary.rs (extract_and_normalize) and pre_tokenizers/metaspace.rs.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include "base/error.h"
#include "base/utf8.h"
#include "model/added_tokens.h"
#include "model/normalized_text.h"
#include "model/tokenizer_engine.h"

namespace wan {
namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t found = std::min(text.find(from, at), text.size());
    append_normalized(out, text.substr(at, found - at));
    if (found < text.size()) append_normalized(out, to);
    at = found + from.size();
  }
  return out;
}

// Runs one normalisation step.
struct Apply {
  std::string_view text;

  std::string operator()(const Charsmap& charsmap) const { return charsmap.apply(text); }
  std::string operator()(const ReplaceText& step) const { return replaced(text, step.from, step.to); }
  std::string operator()(const ReplaceSpaceRuns& step) const {
    std::string out;
    for (size_t at = 0; at < text.size();) {
      size_t end = at;
      while (end < text.size() && text[end] == ' ') ++end;
      if (end - at >= 2) {
        append_normalized(out, step.to);
        at = end;
      } else {
        out.push_back(text[at++]);
      }
    }
    return out;
  }
  std::string operator()(const StripSpace& step) const {
    const std::u32string points = to_code_points(text);
    size_t begin = 0, end = points.size();
    while (step.left && begin < end && is_white_space(points[begin])) ++begin;
    while (step.right && end > begin && is_white_space(points[end - 1])) --end;
    return to_utf8(std::u32string_view(points).substr(begin, end - begin));
  }
  std::string operator()(UnicodeForm form) const {
    const bool compatibility = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
    const bool composed = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
    UErrorCode status = U_ZERO_ERROR;
    const auto* normalizer = icu::Normalizer2::getInstance(nullptr, compatibility ? "nfkc" : "nfc",
                                                           composed ? UNORM2_COMPOSE : UNORM2_DECOMPOSE, status);
    std::string out;
    icu::StringByteSink<std::string> sink(&out);
    if (U_SUCCESS(status))
      normalizer->normalizeUTF8(0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr, status);
    if (U_FAILURE(status)) throw Error(fmt::format("ICU could not normalise text: {}", u_errorName(status)));
    std::string bounded;
    append_normalized(bounded, out);
    return bounded;
  }
};

class FastTokenizer final : public TokenizerEngine {
 public:
  explicit FastTokenizer(TokenizerFile file)
      : normalizer_(std::move(file.normalizer)),
        metaspace_(std::move(file.metaspace)),
        unigram_(std::move(file.vocabulary), file.unknown_id, file.unknown_as),
        id_bound_(unigram_.size()) {
    end_id_ = unigram_.id_of("</s>");
    for (AddedToken& token : file.added) {
      if (const int32_t id = unigram_.id_of(token.text); id >= 0)
        token.id = id;  // the vocabulary's id wins over the stated one
      if (token.text == "</s>") end_id_ = token.id;
      id_bound_ = std::max(id_bound_, token.id + 1);
      if (token.in_normalized) token.text = normalized(token.text);
      if (!token.text.empty()) (token.in_normalized ? late_tokens_ : early_tokens_).push_back(std::move(token));
    }
    require(end_id_ >= 0, "tokenizer.json: neither its vocabulary nor its added tokens have </s>");
  }

  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    for (const TextPart& part : split_at_tokens(text, early_tokens_)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      const bool first = part.text.data() == text.data();
      const std::string clean = normalized(part.text);
      for (const TextPart& piece : split_at_tokens(clean, late_tokens_)) {
        if (piece.id >= 0) {
          ids.push_back(piece.id);
        } else {
          encode_words(piece.text, first && piece.text.data() == clean.data() ? Place::kFirst : Place::kLater, ids);
        }
      }
    }
    return ids;
  }
  int32_t end_id() const override { return end_id_; }
  int32_t id_bound() const override { return id_bound_; }

 private:
  enum class Place { kFirst, kLater };

  std::string normalized(std::string_view text) const {
    std::string out(text);
    for (const NormalizerStep& step : normalizer_) out = std::visit(Apply{out}, step);
    return out;
  }

  void encode_words(std::string_view text, Place place, std::vector<int32_t>& ids) const {
    if (!metaspace_.split_on_white_space) return encode_marked(text, place, ids);
    for (size_t at = 0, begin = 0; begin < text.size(); begin = at) {
      size_t end = begin;
      while (at < text.size()) {
        const bool space = is_white_space(next_code_point(text, at));
        if (space) break;
        end = at;
      }
      if (end > begin)
        encode_marked(text.substr(begin, end - begin),
                      place == Place::kFirst && begin == 0 ? Place::kFirst : Place::kLater, ids);
    }
  }

  void encode_marked(std::string_view text, Place place, std::vector<int32_t>& ids) const {
    const std::string& marker = metaspace_.marker;
    std::string marked = replaced(text, " ", marker);
    const bool prepend =
        metaspace_.prepend == Prepend::kAlways || (metaspace_.prepend == Prepend::kFirst && place == Place::kFirst);
    if (prepend && !marked.empty() && !marked.starts_with(marker)) marked.insert(0, marker);
    for (size_t begin = 0; begin < marked.size();) {
      const size_t next =
          metaspace_.split ? marked.find(marker, begin == 0 && !marked.starts_with(marker) ? 0 : begin + marker.size())
                           : std::string::npos;
      const size_t end = std::min(next, marked.size());
      unigram_.append_ids(std::string_view(marked).substr(begin, end - begin), ids);
      begin = end;
    }
  }

  std::vector<NormalizerStep> normalizer_;
  Metaspace metaspace_;
  Unigram unigram_;
  std::vector<AddedToken> early_tokens_, late_tokens_;  // looked for before and after normalisation
  int32_t end_id_ = -1;
  int32_t id_bound_;
};

}  // namespace

std::unique_ptr<const TokenizerEngine> make_fast_tokenizer(TokenizerFile file) {
  return std::make_unique<FastTokenizer>(std::move(file));
}

}  // namespace wan
