// tokenizer.json and spiece.model, each with a text that is encoded by it.
#include <string>

#include "model/tokenizer.h"
#include "targets.h"

namespace wan::fuzz {
namespace {

void encode(const Tokenizer& tokenizer, std::string_view text) {
  const int32_t bound = tokenizer.id_bound();
  for (const std::string_view each : {text, std::string_view("a red  star\n<extra_id_0> \u00e9\u4e00</s>")}) {
    const std::vector<int32_t> ids = tokenizer.encode(each);
    check(!ids.empty() && ids.size() <= kTextLength, "a text has as many tokens as there is room for");
    for (const int32_t id : ids) check(id >= 0 && id < bound, "an id is within the vocabulary");
  }
}

}  // namespace

void tokenizer(Bytes input) {
  const auto [json, text] = cut_at_nul(input);
  encode(Tokenizer::from_tokenizer_json(json), text);
}

void spiece(Bytes input) {
  // A model has NULs of its own: the text stands before it.
  const auto [text, model] = cut_at_nul(input);
  encode(Tokenizer::from_sentencepiece_model(model), text);
}

}  // namespace wan::fuzz
