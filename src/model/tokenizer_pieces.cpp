#include "model/tokenizer_pieces.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/utf8.h"
#include "io/printable.h"
#include "io/tensor_file.h"
#include "model/tokenizer.h"

namespace wan {
namespace {

constexpr const char* kModel = "tokenizer.ggml.model";
constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kCharsmap = "tokenizer.ggml.precompiled_charsmap";
constexpr const char* kUnknown = "tokenizer.ggml.unknown_token_id";
constexpr const char* kCollapses = "tokenizer.ggml.remove_extra_whitespaces";
constexpr const char* kPrepends = "tokenizer.ggml.add_space_prefix";

/// What stands for a piece that no text may match: a code point that is no character, and the piece's number.
std::string unmatchable(size_t id) { return fmt::format("\xF4\x8F\xBF\xBF{}", id); }

AddedToken literal(int32_t id, std::string text) {
  AddedToken token;
  token.id = id;
  token.text = std::move(text);
  return token;
}

bool is_true(const TensorFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() || found->second != "false";
}

PieceKind kind_of(double number, const std::string& where) {
  const int kind = static_cast<int>(number);
  require(kind >= 1 && kind <= 6 && number == kind,
          fmt::format("{}: {} has a {}, expected 1 to 6", where, kTypes, number));
  return static_cast<PieceKind>(kind);
}

}  // namespace

TokenizerFile tokenizer_of_pieces(PieceTable table) {
  require(!table.pieces.empty() && table.kinds.size() == table.pieces.size(), "the tokenizer has no pieces");
  require(table.unknown_id >= 0 && static_cast<size_t>(table.unknown_id) < table.pieces.size(),
          fmt::format("the id of unknown text is {}, of {} pieces", table.unknown_id, table.pieces.size()));
  TokenizerFile file;
  const auto count = static_cast<int32_t>(table.pieces.size());
  for (int32_t id = 0; id < count; ++id) {
    ScoredPiece& piece = table.pieces[static_cast<size_t>(id)];
    const PieceKind kind = table.kinds[static_cast<size_t>(id)];
    require(!piece.text.empty() && find_invalid_utf8(piece.text) == std::string_view::npos,
            fmt::format("piece {} of the tokenizer is empty or no UTF-8", id));
    if (kind == PieceKind::kControl || kind == PieceKind::kUnknown || kind == PieceKind::kUserDefined)
      file.added.push_back(literal(id, piece.text));
    if (kind == PieceKind::kUnused) piece.text = unmatchable(static_cast<size_t>(id));
    if (kind == PieceKind::kByte) file.unknown_as = UnknownAs::kBytes;
  }
  for (int32_t i = 0; i < table.extra_ids; ++i)
    file.added.push_back(literal(count + table.extra_ids - 1 - i, fmt::format("<extra_id_{}>", i)));
  if (!table.charsmap.empty()) file.normalizer.emplace_back(Charsmap(table.charsmap));
  if (table.collapses_spaces) file.normalizer.emplace_back(ReplaceSpaceRuns{" "});
  file.metaspace.prepend = table.prepends_space ? Prepend::kAlways : Prepend::kNever;
  file.vocabulary = std::move(table.pieces);
  file.unknown_id = table.unknown_id;
  return file;
}

bool holds_gguf_tokenizer(const TensorFile& file) { return file.arrays().contains(kTokens); }

PieceTable read_gguf_pieces(const TensorFile& file) {
  const std::string where = file.path().string();
  const auto model = file.metadata().find(kModel);
  require(model != file.metadata().end() && model->second == "t5",
          fmt::format("{}: {} is '{}', expected t5", where, kModel,
                      model == file.metadata().end() ? "missing" : printable(model->second)));
  const std::vector<std::string_view> tokens = file.strings(kTokens);
  const std::vector<double> scores = file.numbers(kScores), types = file.numbers(kTypes);
  require(scores.size() == tokens.size() && types.size() == tokens.size(),
          fmt::format("{}: {} tokens, {} scores and {} types of its tokenizer should be as many", where, tokens.size(),
                      scores.size(), types.size()));
  PieceTable table;
  for (size_t i = 0; i < tokens.size(); ++i) {
    table.pieces.push_back({std::string(tokens[i]), scores[i]});
    table.kinds.push_back(kind_of(types[i], where));
  }
  const auto unknown = file.metadata().find(kUnknown);
  const std::optional<int> id =
      unknown == file.metadata().end() ? std::nullopt : checked_number<int>(unknown->second, Bounds<int>{0});
  if (id) table.unknown_id = *id;
  const auto of_kind = std::find(table.kinds.begin(), table.kinds.end(), PieceKind::kUnknown);
  if (!id && of_kind != table.kinds.end()) table.unknown_id = static_cast<int32_t>(of_kind - table.kinds.begin());
  if (file.arrays().contains(kCharsmap))
    for (double byte : file.numbers(kCharsmap)) table.charsmap.push_back(static_cast<char>(static_cast<int>(byte)));
  table.collapses_spaces = is_true(file, kCollapses);
  table.prepends_space = is_true(file, kPrepends);
  return table;
}

}  // namespace wan
