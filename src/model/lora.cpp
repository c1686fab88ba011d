#include "model/lora.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "io/printable.h"
#include "model/weight_scheme.h"

namespace wan {

bool Lora::is_for(LoraExpert expert) const {
  return std::any_of(changes_.begin(), changes_.end(), [&](const LoraChange& change) {
    return change.expert == LoraExpert::kAll || change.expert == expert;
  });
}

void Lora::read(const StoredTensor& tensor, int64_t begin, int64_t end, float* out) const {
  require_op(begin >= 0 && begin <= end && end <= tensor.shape.count(), "a range beyond " + tensor.name);
  StoredWeight values;
  values.shape = tensor.shape;
  values.values = &tensor;
  decode(file_, values, begin, end, out);
  const float* bad = std::find_if(out, out + (end - begin), [](float value) { return !std::isfinite(value); });
  if (bad != out + (end - begin))
    throw Error(ErrorKind::kInput,
                fmt::format("{}: {} holds NaN or infinity at value {} of {}: the file is damaged, take another one",
                            file_.path().string(), printable(tensor.name), begin + (bad - out), tensor.shape.count()));
}

}  // namespace wan
