// A streaming reader that keeps model.vocab out of the document, and the checks of everything else.
#include "model/tokenizer_file.h"

#include <cmath>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/error.h"

namespace wan {
namespace {

using nlohmann::json;

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxPieces = size_t{1} << 21;
constexpr size_t kMaxPieceBytes = 1024;
constexpr size_t kMaxAddedTokens = 65536;
constexpr size_t kMaxSteps = 100;  // of the normalizer; T5 has three

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorKind::kInput, "tokenizer.json: " + what); }

// A decimal as the official tokenizer's JSON parser (Rust's serde_json) reads it: all digits as one 64-bit integer,
// rounded to float64, then divided by a power of ten, rounded again. A quarter of real scores come out one unit beside
// the nearest float64, which decides ties such as "XX X" against "X XX".
double score_as_official(std::string_view text) {
  const bool negative = text.starts_with('-');
  uint64_t digits = 0;
  int exponent = 0;
  bool fraction = false, full = false;
  size_t at = negative ? 1 : 0;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      fraction = true;
      continue;
    }
    const auto digit = static_cast<uint64_t>(text[at] - '0');
    full = full || digits > (UINT64_MAX - digit) / 10;
    if (!full) digits = digits * 10 + digit;
    exponent += (full && !fraction ? 1 : 0) - (!full && fraction ? 1 : 0);
  }
  if (at < text.size()) exponent += std::atoi(std::string(text.substr(at + 1)).c_str());
  const double magnitude = exponent < 0 ? static_cast<double>(digits) / std::pow(10.0, -exponent)
                                        : static_cast<double>(digits) * std::pow(10.0, exponent);
  return negative ? -magnitude : magnitude;
}

// Builds a document of all but model.vocab, whose [piece, score] pairs go straight into a vector.
class Reader final : public nlohmann::json_sax<json> {
 public:
  json document;
  std::vector<ScoredPiece> vocabulary;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return number(static_cast<double>(value), value); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<double>(value), value); }
  bool number_float(number_float_t value, const string_t& digits) override {
    return number(score_as_official(digits), value);
  }
  bool string(string_t& value) override {
    if (!in_vocabulary_) return put(std::move(value));
    if (!in_pair_ || piece_) refuse("model.vocab must hold [piece, score] pairs");
    if (value.empty() || value.size() > kMaxPieceBytes)
      refuse(fmt::format("piece {} has {} bytes, expected 1 to {}", vocabulary.size(), value.size(), kMaxPieceBytes));
    piece_ = std::move(value);
    return true;
  }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(json::object()); }
  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(size_t) override {
    if (in_vocabulary_) {
      if (in_pair_) refuse("model.vocab must hold [piece, score] pairs");
      in_pair_ = true;
      return true;
    }
    if (open_.size() == 2 && key_ == "vocab" && open_.back() == model()) {
      if (!vocabulary.empty()) refuse("model.vocab appears twice");
      in_vocabulary_ = true;
      return true;
    }
    return open(json::array());
  }
  bool end_array() override {
    if (!in_vocabulary_) return close();
    if (in_pair_) {
      end_pair();
    } else {
      in_vocabulary_ = false;
    }
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception& error) override {
    refuse(fmt::format("not JSON at byte {}: {}", position, error.what()));
  }

 private:
  const json* model() const {
    const auto found = document.find("model");
    return found == document.end() ? nullptr : &*found;
  }

  template <typename T>
  bool number(double as_double, T value) {
    if (!in_vocabulary_) return put(value);
    if (!in_pair_ || !piece_ || score_ || !std::isfinite(as_double))
      refuse("model.vocab must hold [piece, finite score] pairs");
    score_ = as_double;
    return true;
  }

  void end_pair() {
    if (!piece_ || !score_) refuse("model.vocab must hold [piece, score] pairs");
    if (vocabulary.size() == kMaxPieces) refuse(fmt::format("more than {} pieces", kMaxPieces));
    vocabulary.push_back({std::move(*piece_), *score_});
    piece_.reset();
    score_.reset();
    in_pair_ = false;
  }

  json* insert(json value) {
    if (in_vocabulary_) refuse("model.vocab must hold [piece, score] pairs");
    if (open_.empty()) {
      document = std::move(value);
      return &document;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    json& member = parent[key_];
    member = std::move(value);
    return &member;
  }
  bool put(json value) {
    insert(std::move(value));
    return true;
  }
  bool open(json value) {
    if (open_.size() >= kMaxDepth) refuse(fmt::format("nested deeper than {}", kMaxDepth));
    open_.push_back(insert(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<json*> open_;  // containers being filled; only the last one grows, so the pointers stay valid
  std::string key_;
  bool in_vocabulary_ = false, in_pair_ = false;
  std::optional<std::string> piece_;
  std::optional<double> score_;
};

// Members with a type; `where` is for messages.
const json& member(const json& object, const char* name, const std::string& where) {
  if (!object.is_object() || !object.contains(name)) refuse(fmt::format("{} has no member \"{}\"", where, name));
  return object.at(name);
}

std::string string_of(const json& object, const char* name, const std::string& where) {
  const json& value = member(object, name, where);
  if (!value.is_string()) refuse(fmt::format("{}.{} must be a string", where, name));
  return value.get<std::string>();
}

bool flag_of(const json& object, const char* name, bool otherwise, const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return otherwise;
  if (!found->is_boolean()) refuse(fmt::format("{}.{} must be true or false", where, name));
  return found->get<bool>();
}

int32_t id_of(const json& object, const char* name, int64_t limit, const std::string& where) {
  const json& value = member(object, name, where);
  if (!value.is_number_unsigned() || value.get<uint64_t>() >= static_cast<uint64_t>(limit))
    refuse(fmt::format("{}.{} must be an id below {}", where, name, limit));
  return static_cast<int32_t>(value.get<uint64_t>());
}

std::string charsmap_of(const std::string& text) {
  std::optional<std::string> bytes = from_base64(text);
  if (!bytes) refuse("precompiled_charsmap is not base64");
  return std::move(*bytes);
}

NormalizerStep replace_step(const json& step, const std::string& where) {
  const json& pattern = member(step, "pattern", where);
  std::string to = string_of(step, "content", where);
  if (pattern.is_object() && pattern.contains("String")) {
    std::string from = string_of(pattern, "String", where + ".pattern");
    if (from.empty()) refuse(where + ".pattern must not be empty");
    return ReplaceText{std::move(from), std::move(to)};
  }
  const std::string regex = string_of(pattern, "Regex", where + ".pattern");
  if (regex != " {2,}")
    refuse(fmt::format("{}: the only regular expression known is \" {{2,}}\", found \"{}\"", where, regex));
  return ReplaceSpaceRuns{std::move(to)};
}

void add_steps(const json& step, const std::string& where, std::vector<NormalizerStep>& steps) {
  if (step.is_null()) return;
  if (steps.size() == kMaxSteps) refuse(fmt::format("the normalizer has more than {} steps", kMaxSteps));
  const std::string type = string_of(step, "type", where);
  if (type == "Sequence") {
    const json& parts = member(step, "normalizers", where);
    if (!parts.is_array()) refuse(where + ".normalizers must be an array");
    for (size_t i = 0; i < parts.size(); ++i) add_steps(parts[i], fmt::format("{}.normalizers[{}]", where, i), steps);
  } else if (type == "Precompiled") {
    const json& blob = member(step, "precompiled_charsmap", where);
    if (!blob.is_null()) steps.emplace_back(Charsmap(charsmap_of(string_of(step, "precompiled_charsmap", where))));
  } else if (type == "Replace") {
    steps.push_back(replace_step(step, where));
  } else if (type == "Strip") {
    steps.emplace_back(StripSpace{flag_of(step, "strip_left", true, where), flag_of(step, "strip_right", true, where)});
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    steps.emplace_back(type == "NFC"    ? UnicodeForm::kNfc
                       : type == "NFD"  ? UnicodeForm::kNfd
                       : type == "NFKC" ? UnicodeForm::kNfkc
                                        : UnicodeForm::kNfkd);
  } else {
    refuse(fmt::format("{}: normaliser \"{}\" is not known here", where, type));
  }
}

Prepend prepend_of(const json& step, const std::string& where) {
  if (!step.contains("prepend_scheme"))
    return flag_of(step, "add_prefix_space", true, where) ? Prepend::kAlways : Prepend::kNever;
  const std::string scheme = string_of(step, "prepend_scheme", where);
  if (scheme == "always") return Prepend::kAlways;
  if (scheme == "first") return Prepend::kFirst;
  if (scheme == "never") return Prepend::kNever;
  refuse(fmt::format("{}.prepend_scheme must be always, first or never, found \"{}\"", where, scheme));
}

Metaspace metaspace_of(const json& step, const std::string& where) {
  const std::string type = string_of(step, "type", where);
  if (type == "Sequence") {
    const json& parts = member(step, "pretokenizers", where);
    if (!parts.is_array() || parts.size() != 2 || string_of(parts[0], "type", where) != "WhitespaceSplit")
      refuse(where + ": the only sequence known is WhitespaceSplit, Metaspace");
    Metaspace metaspace = metaspace_of(parts[1], where + ".pretokenizers[1]");
    metaspace.split_on_white_space = true;
    return metaspace;
  }
  if (type != "Metaspace") refuse(fmt::format("{}: expected Metaspace, found \"{}\"", where, type));
  Metaspace metaspace;
  metaspace.marker = string_of(step, "replacement", where);
  if (metaspace.marker.empty()) refuse(where + ".replacement must not be empty");
  metaspace.prepend = prepend_of(step, where);
  metaspace.split = flag_of(step, "split", true, where);
  return metaspace;
}

std::vector<AddedToken> added_tokens(const json& document) {
  std::vector<AddedToken> out;
  const auto found = document.find("added_tokens");
  if (found == document.end() || found->is_null()) return out;
  if (!found->is_array() || found->size() > kMaxAddedTokens)
    refuse(fmt::format("added_tokens must be at most {} entries", kMaxAddedTokens));
  for (size_t i = 0; i < found->size(); ++i) {
    const json& entry = (*found)[i];
    const std::string where = fmt::format("added_tokens[{}]", i);
    AddedToken token;
    token.id = id_of(entry, "id", static_cast<int64_t>(kMaxPieces), where);
    token.text = string_of(entry, "content", where);
    if (token.text.empty() || token.text.size() > kMaxPieceBytes) refuse(where + ".content must have 1 to 1024 bytes");
    token.whole_word = flag_of(entry, "single_word", false, where);
    token.strip_left = flag_of(entry, "lstrip", false, where);
    token.strip_right = flag_of(entry, "rstrip", false, where);
    token.in_normalized = flag_of(entry, "normalized", !flag_of(entry, "special", false, where), where);
    out.push_back(std::move(token));
  }
  return out;
}

}  // namespace

TokenizerFile parse_tokenizer_json(std::string_view text) {
  Reader reader;
  if (!json::sax_parse(text.begin(), text.end(), &reader)) refuse("not JSON");
  const json& document = reader.document;
  const json& model = member(document, "model", "the file");
  const std::string type = string_of(model, "type", "model");
  if (type != "Unigram") refuse(fmt::format("model.type must be Unigram, found \"{}\"", type));
  if (reader.vocabulary.empty()) refuse("model.vocab is missing or empty");
  TokenizerFile file;
  file.unknown_id = id_of(model, "unk_id", static_cast<int64_t>(reader.vocabulary.size()), "model");
  file.unknown_as = flag_of(model, "byte_fallback", false, "model") ? UnknownAs::kBytes : UnknownAs::kId;
  if (document.contains("normalizer")) add_steps(document.at("normalizer"), "normalizer", file.normalizer);
  file.metaspace = metaspace_of(member(document, "pre_tokenizer", "the file"), "pre_tokenizer");
  file.added = added_tokens(document);
  file.vocabulary = std::move(reader.vocabulary);
  return file;
}

}  // namespace wan
