// The fallback for a folder without tokenizer.json: libsentencepiece, with the literal special tokens T5's tokenizer
// matches before it. Ids differ from the fast tokenizer's where tokenizer.h says so.
#include <cstdint>
#include <exception>
#include <optional>
#include <string_view>

#include <sentencepiece_processor.h>

#include <fmt/format.h>

#include "base/error.h"
#include "model/added_tokens.h"
#include "model/charsmap.h"
#include "model/tokenizer_engine.h"
#include "model/tokenizer_pieces.h"

namespace wan {
namespace {

constexpr int kExtraIds = 300;  // <extra_id_299> follows the model's pieces, <extra_id_0> comes last

// Fields of a protocol buffer message; only what is needed to find one string in it.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  /// The next length-delimited field with this number, which may be empty; nothing at the end. Throws Error(kInput)
  /// when the message is malformed.
  std::optional<std::string_view> next(uint64_t number) {
    while (!rest_.empty()) {
      const uint64_t tag = varint();
      if (tag > UINT32_MAX) refuse();  // the library keeps 32 bits, which may be another field's
      const uint64_t kind = tag & 7;
      if (kind == 0) varint();
      if (kind == 1) take(8);
      if (kind == 5) take(4);
      if (kind == 3 || kind == 4 || kind > 5) refuse();
      if (kind != 2) continue;
      const std::string_view value = take(varint());
      if (tag >> 3 == number) return value;
    }
    return std::nullopt;
  }

 private:
  [[noreturn]] static void refuse() { throw Error(ErrorKind::kInput, "spiece.model: not a SentencePiece model"); }
  std::string_view take(uint64_t bytes) {
    if (bytes > rest_.size()) refuse();
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    refuse();
  }
  std::string_view rest_;
};

// Numbers of fields in sentencepiece_model.proto.
constexpr uint64_t kNormalizer = 3, kDenormalizer = 5, kCharsmap = 2;

// The library follows its character map unchecked, so check it first; ours refuses what leads outside.
void check_character_maps(std::string_view model) {
  for (const uint64_t spec_field : {kNormalizer, kDenormalizer}) {
    Fields specs(model);
    while (const auto spec = specs.next(spec_field)) {
      Fields maps(*spec);
      while (const auto map = maps.next(kCharsmap)) Charsmap{*map};
    }
  }
}

// The trie library inside lets its own exceptions through, for example for an empty piece.
void load(sentencepiece::SentencePieceProcessor& processor, std::string_view model) {
  check_character_maps(model);
  std::string problem;
  try {
    const auto status = processor.LoadFromSerializedProto(absl::string_view(model.data(), model.size()));
    if (!status.ok()) problem = status.ToString();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (!problem.empty()) throw Error(ErrorKind::kInput, "spiece.model: " + problem);
}

PieceKind kind_of(const sentencepiece::SentencePieceProcessor& processor, int id) {
  if (processor.IsUnknown(id)) return PieceKind::kUnknown;
  if (processor.IsControl(id)) return PieceKind::kControl;
  if (processor.IsUnused(id)) return PieceKind::kUnused;
  return processor.IsByte(id) ? PieceKind::kByte : PieceKind::kNormal;
}

class SentencePieceTokenizer final : public TokenizerEngine {
 public:
  explicit SentencePieceTokenizer(std::string_view model) {
    load(processor_, model);
    size_ = processor_.GetPieceSize();
    for (const char* name : {"<pad>", "</s>", "<s>", "<unk>"}) {
      const int id = processor_.PieceToId(name);
      if (id != processor_.unk_id() || std::string_view(name) == "<unk>") add_token(id, name);
    }
    for (int i = 0; i < kExtraIds; ++i) add_token(size_ + kExtraIds - 1 - i, fmt::format("<extra_id_{}>", i));
    end_id_ = processor_.PieceToId("</s>");
    require(end_id_ != processor_.unk_id(), "spiece.model: has no </s>");
  }

  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    for (const TextPart& part : split_at_tokens(text, tokens_)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      std::vector<int> found;
      const auto status = processor_.Encode(absl::string_view(part.text.data(), part.text.size()), &found);
      if (!status.ok()) throw Error(fmt::format("libsentencepiece: {}", status.ToString()));
      ids.insert(ids.end(), found.begin(), found.end());
    }
    return ids;
  }
  int32_t end_id() const override { return end_id_; }
  int32_t id_bound() const override { return size_ + kExtraIds; }

 private:
  void add_token(int32_t id, std::string text) {
    AddedToken token;
    token.id = id;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
  }

  sentencepiece::SentencePieceProcessor processor_;
  std::vector<AddedToken> tokens_;
  int32_t size_ = 0;
  int32_t end_id_ = -1;
};

}  // namespace

std::unique_ptr<const TokenizerEngine> make_sentencepiece_tokenizer(std::string_view model) {
  return std::make_unique<SentencePieceTokenizer>(model);
}

PieceTable read_sentencepiece_pieces(std::string_view model) {
  sentencepiece::SentencePieceProcessor processor;
  load(processor, model);
  PieceTable table;
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    table.pieces.push_back({processor.IdToPiece(id), static_cast<double>(processor.GetScore(id))});
    table.kinds.push_back(kind_of(processor, id));
  }
  Fields specs(model);
  while (const auto spec = specs.next(kNormalizer)) {
    Fields maps(*spec);
    while (const auto map = maps.next(kCharsmap)) table.charsmap = *map;
  }
  table.unknown_id = processor.unk_id();
  table.extra_ids = kExtraIds;
  return table;
}

}  // namespace wan
