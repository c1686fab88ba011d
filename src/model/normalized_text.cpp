#include "model/normalized_text.h"

#include <fmt/format.h>

#include "base/error.h"

namespace wan {

void append_normalized(std::string& text, std::string_view more) {
  if (more.size() > kMostNormalizedBytes - text.size())
    throw Error(ErrorKind::kInput,
                fmt::format("the tokenizer's normaliser makes more than {} MiB of a text", kMostNormalizedBytes >> 20));
  text += more;
}

}  // namespace wan
