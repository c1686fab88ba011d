#include "backend/cpu/math.h"

namespace wan::cpu {

void apply(Activation activation, float* values, int64_t count) {
  switch (activation) {
    case Activation::kNone: return;
    case Activation::kGeluTanh:
      for (int64_t i = 0; i < count; ++i) values[i] = gelu_tanh(values[i]);
      return;
    case Activation::kSilu:
      for (int64_t i = 0; i < count; ++i) values[i] = silu(values[i]);
      return;
    case Activation::kGelu:
      for (int64_t i = 0; i < count; ++i) values[i] = gelu(values[i]);
      return;
    case Activation::kLeakyRelu:
      for (int64_t i = 0; i < count; ++i) values[i] = leaky_relu(values[i]);
      return;
  }
}

}  // namespace wan::cpu
