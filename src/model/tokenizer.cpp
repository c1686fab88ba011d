// Which file to trust, and the ends of a sequence; the work is in fast_tokenizer.cpp and sentencepiece_tokenizer.cpp.
#include "model/tokenizer.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/utf8.h"
#include "io/tensor_file.h"
#include "model/tokenizer_engine.h"
#include "model/tokenizer_pieces.h"

namespace wan {
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;

// Puts the path in front of what a reader found wrong.
template <typename Read>
auto naming_file(const std::filesystem::path& path, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(path.string()) != std::string::npos) throw;
    throw Error(error.kind(), path.string() + ": " + message);
  }
}

template <typename Read>
auto naming(const std::filesystem::path& path, Read read) {
  return naming_file(path, [&] { return read(read_text(path)); });
}

std::unique_ptr<const TokenizerEngine> open_engine(const std::filesystem::path& folder) {
  std::error_code ignored;
  const bool alone = is_file(folder);
  const bool is_json = alone && folder.extension() == ".json";
  const auto json = is_json ? folder : folder / "tokenizer.json";
  const auto model = alone && !is_json ? folder : folder / "spiece.model";
  if (std::filesystem::exists(json, ignored))
    return naming(json, [](const std::string& text) { return make_fast_tokenizer(parse_tokenizer_json(text)); });
  if (std::filesystem::exists(model, ignored))
    return naming(model, [](const std::string& bytes) { return make_sentencepiece_tokenizer(bytes); });
  throw Error(ErrorKind::kInput,
              fmt::format("{}: expected tokenizer.json or spiece.model in it, found neither; the official "
                          "checkpoints have them in google/umt5-xxl",
                          folder.string()));
}

}  // namespace

Tokenizer::Tokenizer(const std::filesystem::path& path) : Tokenizer(open_engine(path)) {}
Tokenizer::Tokenizer(std::unique_ptr<const TokenizerEngine> engine) : engine_(std::move(engine)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::from_tokenizer_json(std::string_view json) {
  return Tokenizer(make_fast_tokenizer(parse_tokenizer_json(json)));
}

Tokenizer Tokenizer::from_sentencepiece_model(std::string_view model) {
  return Tokenizer(make_sentencepiece_tokenizer(model));
}

Tokenizer Tokenizer::from_spiece_within(const TensorFile& file, const StoredTensor& model) {
  return naming_file(file.path(), [&] {
    const auto bytes = file.bytes_of(model);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Tokenizer(make_fast_tokenizer(tokenizer_of_pieces(read_sentencepiece_pieces(text))));
  });
}

Tokenizer Tokenizer::from_gguf(const TensorFile& file) {
  return naming_file(file.path(),
                     [&] { return Tokenizer(make_fast_tokenizer(tokenizer_of_pieces(read_gguf_pieces(file)))); });
}

std::vector<int32_t> Tokenizer::encode(std::string_view cleaned_text, int max_length) const {
  if (max_length < 1)
    throw Error(ErrorKind::kUsage, fmt::format("a token sequence has at least 1 id, {} asked for", max_length));
  if (cleaned_text.size() > kMaxTextBytes)
    throw Error(ErrorKind::kUsage,
                fmt::format("the text has {} bytes; at most {} are accepted", cleaned_text.size(), kMaxTextBytes));
  const size_t invalid = find_invalid_utf8(cleaned_text);
  if (invalid != std::string_view::npos)
    throw Error(ErrorKind::kUsage, fmt::format("the text is not valid UTF-8 at byte {}", invalid));
  std::vector<int32_t> ids = engine_->encode(cleaned_text);
  const size_t most = static_cast<size_t>(max_length) - 1;
  if (ids.size() > most) ids.resize(most);
  ids.push_back(engine_->end_id());
  return ids;
}

int32_t Tokenizer::id_bound() const { return engine_->id_bound(); }

}  // namespace wan
