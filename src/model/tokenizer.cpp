// Which file to trust, and the ends of a sequence; the work is in fast_tokenizer.cpp and sentencepiece_tokenizer.cpp.
#include "model/tokenizer.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "model/tokenizer_engine.h"

namespace wan {
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;

// Puts the path in front of what a reader found wrong.
template <typename Read>
auto naming(const std::filesystem::path& path, Read read) {
  try {
    return read(read_text(path));
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find(path.string()) != std::string::npos) throw;
    throw Error(error.kind(), path.string() + ": " + message);
  }
}

std::unique_ptr<const TokenizerEngine> open_engine(const std::filesystem::path& folder) {
  const auto json = folder / "tokenizer.json", model = folder / "spiece.model";
  std::error_code ignored;
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

Tokenizer::Tokenizer(const std::filesystem::path& google_umt5_dir) : Tokenizer(open_engine(google_umt5_dir)) {}
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
